"""Data augmentation: new rows from existing ones, by changes whose effect on the label is known."""
