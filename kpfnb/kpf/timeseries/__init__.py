"""Time series for people: pages of standard panels by day, month, year and decade, kept up to date,
and exploration of any keywords in the notebook."""

from kpfnb.kpf.timeseries.exploration import explore
from kpfnb.kpf.timeseries.plots import export_exploration
from kpfnb.kpf.timeseries.suggestions import suggest_columns

__all__ = ["explore", "export_exploration", "suggest_columns"]
