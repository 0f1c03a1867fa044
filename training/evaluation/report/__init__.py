"""Evaluation reports: the model card, the HTML page and its plots."""
