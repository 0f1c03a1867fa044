"""A site's rules, the surface facts that they ask for, and the decision that they make."""
