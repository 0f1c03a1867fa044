"""`parley doctor`: checks of an installation, with advice if something is wrong."""
