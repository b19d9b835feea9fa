"""Opens a notebook with its form filled in: `<base>/kpfnb/open/NAME?parameter=value`.

Nothing runs by that but the form: a notebook that changes something waits for Run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jupyter_server.auth.decorator import authorized
from tornado import web

from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.text import suggest_name
from kpfnb.lab.pages import PageHandler
from kpfnb.notebook import filled_in, runner
from kpfnb.notebook.links import OPEN
from kpfnb.notebook.parameters import Parameter, validate_parameters

JSON_TYPE = "application/json"
NOTEBOOK_SUFFIX = ".ipynb"


class OpeningHandler(PageHandler):
    """Stores the values for the person's working copy, and leads to it."""

    @web.authenticated
    @authorized
    def get(self, name: str) -> None:
        """Redirect to the notebook; for JupyterLab's own pages its path as JSON."""
        try:
            copy = find_copy(Path(self.settings["server_root_dir"]), unquote(name))
            values = check_values(runner.inspect_notebook(copy), self._given())
        except KpfnbError as error:
            self._refuse(name, error)
            return
        if values:
            filled_in.store_values(copy, values)
        if self._wants_json():
            self.set_header("Content-Type", JSON_TYPE)
            self.finish({"path": copy.name})
            return
        self.redirect(f"{self.base_url}lab/tree/{quote(copy.name)}")

    def _given(self) -> dict[str, list[str]]:
        arguments = self.request.query_arguments
        return {
            name: self.get_query_arguments(name, strip=False)
            for name in arguments
            # The login, and what JupyterLab adds so that nothing is taken from a cache
            if name != "token" and not name.isdigit()
        }

    def _refuse(self, name: str, error: KpfnbError) -> None:
        self.set_status(400)
        if self._wants_json():
            self.set_header("Content-Type", JSON_TYPE)
            self.finish({"message": str(error)})
            return
        self.show_message(f"{name} can't be opened", str(error))

    def _wants_json(self) -> bool:
        return JSON_TYPE in self.request.headers.get("Accept", "")


class WaitingHandler(PageHandler):
    """Whether values wait for a notebook: JupyterLab then runs it to the form again."""

    @web.authenticated
    @authorized
    def get(self, name: str) -> None:
        """Answer with JSON."""
        try:
            copy = find_copy(Path(self.settings["server_root_dir"]), unquote(name))
            waiting = filled_in.are_waiting(copy)
        except KpfnbError:
            # Another notebook of the person
            waiting = False
        self.set_header("Content-Type", JSON_TYPE)
        self.finish({"waiting": waiting})


def find_copy(root: Path, name: str) -> Path:
    """A notebook in JupyterLab's root directory, where the working copies are."""
    names = [path.stem for path in root.glob(f"*{NOTEBOOK_SUFFIX}")]
    if name not in names:
        raise InvalidInputError(f"no notebook {name!r}", suggest_name(name, names))
    return root / f"{name}{NOTEBOOK_SUFFIX}"


def check_values(parameters: list[Parameter], given: dict[str, list[str]]) -> dict[str, Any]:
    """The values of a URL, checked and converted; `InvalidParameterError` names the wrong one."""
    lists = {item.name for item in parameters if isinstance(item.default, list)}
    texts = {
        name: list(filter(None, values)) if name in lists else values[-1]
        for name, values in given.items()
    }
    checked = validate_parameters(parameters, texts)
    return {name: checked[name] for name in texts}


HANDLERS = [
    (rf"/{OPEN}/([^/]+)", OpeningHandler),
    (r"/waiting/([^/]+)", WaitingHandler),
]
