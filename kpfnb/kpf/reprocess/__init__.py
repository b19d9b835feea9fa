"""Reprocessing: runs of the data reduction pipeline (DRP) over observations that are not done."""
