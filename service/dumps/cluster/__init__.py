"""Scores a dump on many machines with Ray."""
