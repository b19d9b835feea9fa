"""Pipelines: notebooks that need each other, run on Dask, recorded and resumed."""
