"""Data augmentation: rows made of other rows by a change whose effect on the label is known."""
