"""Measurements quoted by the README and the docs: one command a module, except `comments` and `server`."""
