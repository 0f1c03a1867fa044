"""The formats of dumps: one file a format, the registry that recognises them, replies joined to parents."""
