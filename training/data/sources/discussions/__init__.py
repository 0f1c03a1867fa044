"""Discussion corpora: threads, replies to comments, comments under titles."""
