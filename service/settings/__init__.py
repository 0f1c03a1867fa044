"""Every setting of the service, and where its value comes from."""
