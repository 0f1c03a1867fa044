"""`parley score`."""
