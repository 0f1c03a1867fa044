"""Packs a training into a folder that runs anywhere, and back: `python -m parley.training.pack --help`."""
