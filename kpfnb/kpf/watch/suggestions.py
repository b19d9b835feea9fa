"""What forms suggest of the watchers: their names."""

from __future__ import annotations

from kpfnb.notebook.form.suggestions import register_suggestions


@register_suggestions("expected")
def suggest_watchers() -> dict[str, str]:
    """The names of the watchers."""
    from kpfnb.kpf.watch.registry import HANDLERS

    return dict.fromkeys([*HANDLERS, "timeseries"], "")
