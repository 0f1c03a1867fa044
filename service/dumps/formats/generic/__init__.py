"""Tables, JSON and text that no single system has made."""
