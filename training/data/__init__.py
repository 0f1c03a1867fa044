"""Training data: corpora, a site's own decisions, augmented rows; test texts kept out."""
