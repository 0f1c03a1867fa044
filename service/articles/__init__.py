"""Articles: looked up in the store, fetched where the site allows it."""
