"""The service's settings and their sources."""
