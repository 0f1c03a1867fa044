"""Fine-tuning: configuration, batches, losses, distillation, and fine-tuning on a site's own comments."""
