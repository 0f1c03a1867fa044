"""The moderators' pages, one per module; `render` fills templates, `words` puts scores into words."""
