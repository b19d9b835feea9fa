"""Preparation of raw frames for PypeIt: sorted into datasets, headers fixed, setups trimmed."""
