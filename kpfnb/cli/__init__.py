"""The `kpfnb` command line: a thin layer over the functions that the notebooks use."""

from kpfnb.cli.app import main

__all__ = ["main"]
