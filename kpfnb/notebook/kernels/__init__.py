"""Kernels of headless notebooks, forked from a process that has loaded the heavy libraries."""
