"""Corpora of discussions: threads, replies to comments, comments under titles."""
