"""One wire format a file: the native routes, and those of the services that Parley stands in for."""
