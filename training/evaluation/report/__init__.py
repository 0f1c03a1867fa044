"""What evaluation shows: the model card, the HTML page and its plots."""
