"""Work on many items with Dask, supervised programs, the machine's resources, embedded services."""
