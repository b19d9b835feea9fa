from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys

import pytest

from kpfnb.adap.pypeit import installation
from kpfnb.compute import programs
from kpfnb.core.errors import InvalidInputError, ServiceUnavailableError


def test_without_pypeit_each_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(programs, "find_executable", lambda name: None)
    assert installation.pypeit_version() == ""
    for call in (installation.list_spectrographs, lambda: installation.find_command("run_pypeit")):
        with pytest.raises(ServiceUnavailableError) as caught:
            call()
        assert "kpfnb[pypeit]" in caught.value.hint


def test_an_unknown_spectrograph_is_rejected_with_similar_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        installation, "list_spectrographs", lambda: ["keck_deimos", "shane_kast_blue"]
    )
    installation.check_spectrograph("keck_deimos")
    with pytest.raises(InvalidInputError) as caught:
        installation.check_spectrograph("keck_demos")
    assert caught.value.hint == "did you mean keck_deimos?"
    with pytest.raises(InvalidInputError, match="zzz") as caught:
        installation.check_spectrograph("zzz")
    assert caught.value.hint == "known: keck_deimos, shane_kast_blue"
    with pytest.raises(InvalidInputError, match="no spectrograph is named"):
        installation.check_spectrograph("")


@pytest.mark.skipif(not installation.pypeit_version(), reason="needs the extra kpfnb[pypeit]")
def test_the_spectrographs_are_found_without_importing_pypeit() -> None:
    script = (
        "import sys; from kpfnb.adap.pypeit import installation as i; "
        "n = i.list_spectrographs(); assert 'pypeit' not in sys.modules; print(*n)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    names = done.stdout.split()
    assert len(names) == len(set(names)) > 50
    assert {"keck_deimos", "keck_kcwi", "shane_kast_blue"} <= set(names)
