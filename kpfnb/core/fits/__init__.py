"""FITS headers and tables, read fast."""
