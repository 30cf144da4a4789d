"""One month of one link, opened by its holder for an auditor (docs/protocol.md, "Sample")."""
