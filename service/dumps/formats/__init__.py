"""The formats of dumps: one file per format, the registry that detects them, and joining of replies."""
