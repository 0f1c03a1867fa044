"""Fine-tuning: the configuration, batches, losses, distillation, and a site's own run."""
