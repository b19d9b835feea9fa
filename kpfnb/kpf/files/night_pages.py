"""The pages of a night in the site of the runs: where they are, and links to them."""

from __future__ import annotations

from pathlib import Path

from kpfnb.core.settings import Settings, load_settings
from kpfnb.notebook.links import page_url

PAGES_DIR = "nights"
"""The directory of the pages, in the runs directory."""

VERDICT_PAGE, REPORT_PAGE = "verdict.html", "report.html"


def page_dir(site_settings: Settings, night: str) -> Path:
    """The directory of a night's pages."""
    return site_settings.runs_dir / PAGES_DIR / night


def night_url(night: str) -> str:
    """The URL of a night's report, or its verdict; '' without one, and outside of JupyterLab."""
    directory = page_dir(load_settings(), night)
    pages = (directory / name for name in (REPORT_PAGE, VERDICT_PAGE))
    return next((page_url(page) for page in pages if page.exists()), "")
