"""The plot of a reduction: its extracted spectra."""

from __future__ import annotations

from kpfnb.adap.products import spectra
from kpfnb.adap.reduce.batch_result import ReductionBatchResult
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.notebook.display.figures import HoverFigure, register_plot


@register_plot(ReductionResult)
@register_plot(ReductionBatchResult)
def plot_reduced_spectra(result: ReductionResult | ReductionBatchResult) -> HoverFigure:
    """The extracted spectra; the mouse shows which object and pixel it is at."""
    return spectra.hover_plot_spectra(result.spectra())
