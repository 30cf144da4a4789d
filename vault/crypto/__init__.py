"""Pure functions from bytes to bytes: no clock, no socket, no randomness of their own."""
