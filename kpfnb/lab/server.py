"""The extension of Jupyter's server: kpfnb's pages at `<base>/kpfnb/`, behind its login.

Installing kpfnb enables it, in every JupyterLab of that environment; `kpfnb lab` always has it.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kpfnb.lab import PREFIX, actions, home_page, opening, pages
from kpfnb.notebook.links import LAB_URL_VARIABLE

HANDLERS: list[tuple[str, type]] = [
    *pages.HANDLERS,
    *home_page.HANDLERS,
    *actions.HANDLERS,
    *opening.HANDLERS,
]
"""What answers: pairs of a pattern below `<base>/kpfnb` and a class."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Add the handlers, and tell the kernels, which inherit the environment, where they are."""
    base_url = server.web_app.settings["base_url"]
    os.environ[LAB_URL_VARIABLE] = base_url + PREFIX
    prefix = re.escape((base_url + PREFIX).rstrip("/"))
    handlers = [(prefix + pattern, handler) for pattern, handler in HANDLERS]
    server.web_app.add_handlers(".*$", handlers)
