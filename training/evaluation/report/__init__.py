"""The reports of evaluation: the model card, the HTML page and its plots."""
