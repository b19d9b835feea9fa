"""What forms suggest of the spectrographs: those with a profile."""

from __future__ import annotations

from kpfnb.notebook.form.suggestions import register_suggestions


@register_suggestions("spectrograph")
def suggest_spectrographs() -> dict[str, str]:
    """The spectrographs with a profile."""
    from kpfnb.adap.profiles.spectrograph import list_profiles

    return dict.fromkeys(list_profiles(), "")
