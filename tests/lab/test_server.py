"""The extension is enabled by its installation, and answers only who is logged in."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from kpfnb.lab import server
from tests.lab.running import RunningLab

ROUTES = [pattern for pattern, _ in server.HANDLERS]


def concrete(pattern: str) -> str:
    """A path that a route answers: of alternatives the first one, `x` for any text."""
    return re.sub(r"\((?:(\w+)\|)?[^)]*\)", lambda match: match[1] or "x", pattern)


def test_installing_kpfnb_enables_the_extension() -> None:
    files = importlib.metadata.files("kpfnb") or []
    config = next(file for file in files if file.match("jupyter_server_config.d/kpfnb.json"))
    extensions = json.loads(config.read_text())["ServerApp"]["jpserver_extensions"]
    assert extensions == {server.__name__: True}


def test_the_installed_configuration_is_the_one_of_kpfnb_lab() -> None:
    files = importlib.metadata.files("kpfnb") or []
    installed = next(file for file in files if file.match("jupyter_server_config.d/kpfnb.json"))
    package = Path(server.__file__).with_name("config") / "jupyter_server_config.json"
    assert json.loads(installed.read_text()) == json.loads(package.read_text())


@pytest.mark.parametrize("pattern", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_without_a_login_nothing_is_answered(lab: RunningLab, pattern: str, method: str) -> None:
    answer = lab.get(lab.home.rstrip("/") + concrete(pattern), method=method, login=False)
    to_login = answer.status == 302 and "/login?" in answer.headers["Location"]
    assert to_login or answer.status in (403, 405), answer
    assert b"kpfnb-page" not in answer.body


def test_a_wrong_token_is_no_login(lab: RunningLab) -> None:
    path = lab.file_path(lab.work_dir / "runs/index.html")
    answer = lab.get(path, login=False, Authorization="token wrong")
    assert answer.status == 302


@pytest.mark.parametrize("pattern", ROUTES)
def test_no_other_site_can_make_the_browser_change_something(lab: RunningLab, pattern: str) -> None:
    """A browser sends its cookie with a form of any site, but not the XSRF token."""
    cookie = lab.get(f"{lab.home}files/x").headers["Set-Cookie"].partition(";")[0]
    path = lab.home.rstrip("/") + concrete(pattern)
    assert lab.get(path, method="POST", login=False, Cookie=cookie).status in (403, 405)


def test_every_handler_checks_the_login_itself() -> None:
    """Also where a server allows what has no check: `allow_unauthenticated_access`."""
    unchecked = [
        f"{handler.__name__}.{method}"
        for _, handler in server.HANDLERS
        for method in ("get", "head", "post", "put", "patch", "delete")
        if getattr(handler, method) is not getattr(RequestHandler, method)
        and not hasattr(getattr(handler, method), "__wrapped__")
    ]
    assert unchecked == []
