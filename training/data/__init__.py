"""What training reads: corpora, a site's own decisions, augmented rows; test texts kept out."""
