"""Datasets and reductions on disk: their names, files, records, products and QA pictures."""
