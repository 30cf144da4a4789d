"""The command line by actor, one file each."""
