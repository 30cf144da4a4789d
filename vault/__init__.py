"""The blind encrypted store: it keeps, adds and orders what it cannot read (docs/protocol.md)."""
