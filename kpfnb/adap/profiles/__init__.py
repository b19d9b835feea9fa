"""Profiles of spectrographs: what PypeIt's bulk reductions need to know of each, as YAML files."""

# The import registers them
from kpfnb.adap.profiles import suggestions as suggestions
