"""The transparency log: RFC 6962 tree, C2SP notes, tiles and proofs, one sequencer."""
