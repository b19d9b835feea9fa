"""Profiles of spectrographs: what PypeIt's bulk reductions need to know of each, as YAML files."""
