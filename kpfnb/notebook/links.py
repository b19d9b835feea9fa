"""Links out of a notebook in JupyterLab: to files, observations, and notebooks filled in.

JupyterLab's server serves kpfnb's pages (`kpfnb.lab`) and says where in an environment variable
that its kernels inherit. Elsewhere there are no links, only the texts.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import markupsafe
from markupsafe import Markup

from kpfnb.runs.actions import PageAction

LAB_URL_VARIABLE = "KPFNB_LAB_URL"
"""The path of kpfnb's pages on the server, with a slash at its end: `/kpfnb/`."""

FILES = "files"
OBSERVATION = "observation"
OPEN = "open"


def page_url(path: Path) -> str:
    """The URL of a file or directory; '' outside of JupyterLab.

    Paths of the disk are paths of the URL, so that the relative links between pages hold.
    """
    return _url(FILES, quote(str(path.absolute()).lstrip("/")))


def observation_url(obsid: str) -> str:
    """The URL that leads to the page of an observation; '' outside of JupyterLab."""
    return _url(OBSERVATION, quote(obsid))


def action_url(action: PageAction) -> str:
    """The URL that opens a notebook with its form filled in; '' outside of JupyterLab."""
    return _url(OPEN, action.target)


def link_html(url: str, text: str) -> Markup:
    """A link that opens in a new tab; only the text if there is no URL."""
    link = Markup('<a href="{}" target="_blank" rel="noopener">{}</a>')
    return link.format(url, text) if url else markupsafe.escape(text)


def action_html(action: PageAction) -> Markup:
    """A link that opens the notebook of an action; outside of JupyterLab the command."""
    url = action_url(action)
    return link_html(url, action.label) if url else Markup("<code>{}</code>").format(action.command)


def _url(kind: str, rest: str) -> str:
    base = os.environ.get(LAB_URL_VARIABLE, "")
    return f"{base}{kind}/{rest}" if base else ""
