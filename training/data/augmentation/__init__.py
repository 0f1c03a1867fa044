"""Data augmentation: rows made from others by a change whose effect on the label is known."""
