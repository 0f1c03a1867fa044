"""`parley doctor`: checks of an installation, each with what to do where something is wrong."""
