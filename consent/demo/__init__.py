"""The demonstration: real trips become sealed records, closes, consented totals and an audit."""
