"""The audit's report: what was judged, counted, signed, and drawn (docs/auditing.md)."""
