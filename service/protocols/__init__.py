"""One file per wire format: the native routes, and those of services that Parley replaces."""
