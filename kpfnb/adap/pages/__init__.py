"""HTML pages of datasets."""
