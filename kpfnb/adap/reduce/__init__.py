"""Reductions with PypeIt: of a folder, of a dataset or of a queue, evaluated by their products."""
