"""Plots, tables and HTML in a notebook's outputs."""
