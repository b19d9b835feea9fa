"""Actions on pages: as the end of a URL, and as a command."""

from __future__ import annotations

import shlex
from urllib.parse import parse_qs

from kpfnb.runs.actions import PageAction

REPROCESS = PageAction(
    "Reprocess these", "reprocess", {"targets": ["a b", 'KP."1"&x'], "force": True}
)


def test_the_target_has_every_value_once() -> None:
    notebook, _, query = REPROCESS.target.partition("?")
    assert notebook == "reprocess"
    assert parse_qs(query) == {"targets": ["a b", 'KP."1"&x'], "force": ["True"]}
    assert PageAction("Open", "home").target == "home"


def test_the_command_is_safe_in_a_shell() -> None:
    words = shlex.split(REPROCESS.command)
    assert words[:3] == ["kpfnb", "run", "reprocess"]
    assert words[3:] == ["-p", 'targets=a b,KP."1"&x', "-p", "force=True"]
