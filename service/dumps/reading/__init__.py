"""A dump's file: unpacked, as lines or columns, one `Record` per comment."""
