"""Storage: transactions over SQL that is written once, beside its rule."""
