"""The sandbox: a whole vault on loopback to build against, with robots for the people."""
