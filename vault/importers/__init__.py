"""Importers: real exports become trips, sessions and readings, row by row (docs/methodology.md)."""
