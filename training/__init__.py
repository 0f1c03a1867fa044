"""Training: sources -> examples -> fine-tune -> calibrate -> evaluate -> export -> model card."""
