"""Scores a dump: selection, deduplication, the scorer, and the files it writes in parts."""
