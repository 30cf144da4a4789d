"""A witness: it cosigns checkpoints that extend what it saw (C2SP tlog-witness)."""
