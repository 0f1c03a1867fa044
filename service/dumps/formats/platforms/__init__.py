"""Exports and APIs of the platforms where people comment."""
