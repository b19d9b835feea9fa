"""Requests of the home page that do something: start, retry and stop runs, retry queue items."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.lab import run_commands
from kpfnb.lab.home_state import shared_state
from kpfnb.lab.pages import PageHandler


class JsonHandler(PageHandler):
    """Answers with JSON; without a login with 403, as a page can't follow to the login."""

    def get_login_url(self) -> NoReturn:
        """Refuse what another page would redirect to the login."""
        raise HTTPError(403, "not logged in")

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answer with the reason."""
        error = (details.get("exc_info") or (None, None))[1]
        text = getattr(error, "log_message", None) or self._reason
        self.set_header("Content-Type", "application/json")
        self.finish({"error": str(text)})


class ActionHandler(JsonHandler):
    """Does one action with the values of the request, in a thread."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Answer with what was done, or with 409 and why not."""
        try:
            values = run_commands.parse_body(self.request.body)
            message = await asyncio.to_thread(do_action, name, values)
        except KpfnbError as error:
            self.set_status(409)
            self.finish({"error": str(error)})
            return
        self.log.info("kpfnb: %s by %s: %s", name, self.current_user.username, message)
        self.finish({"message": message})


def do_action(name: str, values: Mapping[str, Any]) -> str:
    """Do an action; returns what was done. The page asks for the state next: it is read anew."""
    message = ACTIONS[name](values)
    shared_state().forget("queues" if name == "requeue" else "runs")
    return message


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"the request has no {name}")
    return value


def _start(values: Mapping[str, Any]) -> str:
    parameters = values.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InvalidInputError("the parameters are not a JSON object")
    return run_commands.start_notebook(_text(values, "notebook"), parameters)


ACTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "start": _start,
    "retry": lambda values: run_commands.retry_run(_text(values, "run")),
    "stop": lambda values: run_commands.stop_run(_text(values, "run")),
    "requeue": lambda values: run_commands.requeue_item(
        _text(values, "queue"), _text(values, "item")
    ),
}

HANDLERS = [(rf"/api/({'|'.join(ACTIONS)})", ActionHandler)]
