"""Datasets and reductions on disk: their names, files, records, products and QA pictures."""

# The import registers them
from kpfnb.adap.products import suggestions as suggestions
