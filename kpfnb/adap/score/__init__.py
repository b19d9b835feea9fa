"""Reductions scored slit by slit, for a page and for the sheet."""
