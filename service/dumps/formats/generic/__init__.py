"""Tables, JSON and text that aren't specific to a system."""
