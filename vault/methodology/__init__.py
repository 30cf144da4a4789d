"""The methodology: one act gives the same milligrams everywhere (docs/methodology.md)."""
