"""A site's rules, the surface facts that they use, and their decision."""
