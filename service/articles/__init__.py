"""Articles: looked up in the store, fetched if the site allows it."""
