"""Forms suggest the queues of a server that runs; none is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.compute.services import valkey
from kpfnb.queue import suggestions


def test_no_server_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path))
    monkeypatch.delenv("KPFNB_REDIS_URL", raising=False)
    assert suggestions.suggest_queues() == {}
    assert not valkey.server_status().running
    assert not (tmp_path / "services").exists()
