"""A dump's file: unpacked, as lines or columns, one `Record` a comment."""
