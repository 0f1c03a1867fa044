"""Training data: corpora, a site's own decisions and augmented rows, with test texts kept out."""
