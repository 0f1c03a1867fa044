"""A training as one folder that runs anywhere, and back: `python -m parley.training.pack --help`."""
