"""Pipelines: notebooks that depend on each other, run on Dask, recorded and resumable."""
