"""Exports of the comment systems that sites run."""
