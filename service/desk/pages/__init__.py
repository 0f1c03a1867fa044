"""What moderators see, one page a module; `render` makes them of templates, `words` says scores in words."""
