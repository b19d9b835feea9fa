"""What a report shows in place of a widget, which needs JupyterLab."""

from __future__ import annotations

from html import unescape
from typing import Any

_views: dict[str, object] = {}
"""By the model id of the widget."""


def register_view(widget: Any, view: object) -> None:
    """Let reports show `view`, as IPython displays it, in place of the widget."""
    _views[widget.model_id] = view


def clear_views() -> None:
    """Forget all views: those of the next run are others."""
    _views.clear()


def static_views(model_id: str) -> list[object]:
    """What is shown in place of a widget, in order; [] for one that only serves to type or press.

    A box shows what is in it.
    """
    from ipywidgets.widgets import widget as widgets

    return _views_of(widgets._instances.get(model_id))


def _views_of(widget: Any) -> list[object]:
    import ipywidgets
    from IPython.display import HTML

    if widget is None:
        return []
    if widget.model_id in _views:
        return [_views[widget.model_id]]
    if isinstance(widget, ipywidgets.Box):
        return [view for child in widget.children for view in _views_of(child)]
    if isinstance(widget, ipywidgets.HTML) and widget.layout.display != "none":
        return [HTML(widget.value)] if unescape(widget.value).strip() else []
    return []
