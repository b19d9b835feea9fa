"""Time series for people: pages of standard panels by day, month, year and decade, kept up to date,
and free exploration in the notebook."""

from kpfnb.kpf.timeseries.exploration import explore

__all__ = ["explore"]
