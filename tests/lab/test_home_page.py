"""The live home page on JupyterLab's server: behind the login, with its policy and XSRF check."""

from __future__ import annotations

import http.client
import json
import re
from urllib.parse import urlsplit

import pytest

from tests.lab.running import RunningLab

ACTIONS = ("start", "retry", "stop", "requeue")
STATES = ("state", "calendar", "stars")


def post(lab: RunningLab, action: str, body: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=60)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", f"{lab.home}api/{action}", body, names)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def log_in(lab: RunningLab) -> tuple[str, str]:
    """The cookies of a browser, and the token in the page."""
    answer = lab.get(f"{lab.home}?token={lab.token}", login=False)
    cookies = [text.partition(";")[0] for text in answer.headers.get_all("Set-Cookie") or []]
    token = re.search(r'data-token="([^"]+)"', answer.text)
    assert token
    return "; ".join(cookies), token[1]


def test_the_page_has_its_script_and_no_other(lab: RunningLab) -> None:
    answer = lab.get(lab.home)
    assert answer.status == 200
    assert "script-src 'self'" in answer.policy
    assert "form-action 'none'" in answer.policy
    assert re.findall(r"<script[^>]*>", answer.text) == [
        f'<script src="{lab.home}static/home.js" defer>'
    ]
    assert not re.search(r"\son\w+=", answer.text)
    assert lab.get(f"{lab.home}static/home.js").status == 200


@pytest.mark.parametrize("name", STATES)
def test_the_state_needs_a_login_and_is_sent_once(lab: RunningLab, name: str) -> None:
    path = f"{lab.home}api/{name}"
    assert lab.get(path, login=False).status == 403
    answer = lab.get(path)
    assert answer.status == 200
    json.loads(answer.body)
    again = lab.get(path, If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_the_page_and_the_star_need_a_login(lab: RunningLab) -> None:
    for path in ("", "star?name=x"):
        assert lab.get(lab.home + path, login=False).status == 302


def test_an_unknown_star_is_said_and_escaped(lab: RunningLab) -> None:
    answer = lab.get(f"{lab.home}star?name=%3Cscript%3E")
    assert answer.status == 404
    assert "<script>" not in answer.text


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_needs_a_login_and_the_token_of_the_page(lab: RunningLab, action: str) -> None:
    body = json.dumps({"run": "0000", "notebook": "x", "queue": "q", "item": "i"})
    assert post(lab, action, body)[0] == 403
    cookies, token = log_in(lab)
    assert post(lab, action, body, Cookie=cookies)[0] == 403
    assert post(lab, action, body, Cookie=cookies, X_XSRFToken="wrong")[0] == 403
    status, text = post(lab, action, body, Cookie=cookies, X_XSRFToken=token)
    assert status == 409
    assert json.loads(text)["error"]
    assert lab.get(f"{lab.home}api/{action}").status == 405


def test_a_request_without_values_is_refused(lab: RunningLab) -> None:
    cookies, token = log_in(lab)
    for body in ("", "[]", "{}", '{"run": 3}'):
        assert post(lab, "stop", body, Cookie=cookies, X_XSRFToken=token)[0] == 409
