"""Actions on pages: each opens a notebook with its form filled in.

A page from disk shows the command that does the same. Where JupyterLab serves the page
(`kpfnb.lab`), the command is replaced by a link with the action's label.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True)
class PageAction:
    """Something that a person can do from a page.

    Attributes
    ----------
    label : what the link says, such as "Reprocess these"
    notebook : the name of the notebook that does it
    parameters : the values of its form that differ from the defaults
    """

    label: str
    notebook: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The notebook and its values as the end of a URL, `reprocess?targets=a&targets=b`."""
        query = urlencode(
            {name: _as_text(value) for name, value in self.parameters.items()}, doseq=True
        )
        return f"{self.notebook}?{query}" if query else self.notebook

    @property
    def command(self) -> str:
        """The command that does the same."""
        arguments = ["kpfnb", "run", self.notebook]
        for name, value in self.parameters.items():
            text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            arguments += ["-p", f"{name}={text}"]
        return shlex.join(arguments)


def _as_text(value: Any) -> Any:
    return list(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
