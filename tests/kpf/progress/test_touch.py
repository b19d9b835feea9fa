import json
import os
import time

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import touch
from kpfnb.kpf.progress.touch import TouchOutcome
from kpfnb.notebook.display import figures

NIGHT = "20240101"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def names(root):
    return tree.write_tree(root, [NIGHT], 8, cards=dict.fromkeys(KPF.levels, 60))


def run(*args, **kwargs):
    return touch.touch_files(*args, interval_seconds=0, **kwargs)


def states(result):
    return [item.state for item in result.items]


def is_touched(path):
    return time.time() - path.stat().st_mtime < 3600


def files(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("ending", ["", ".fits"])
@pytest.mark.parametrize("level", KPF.levels)
def test_a_name_of_any_level_touches_that_file_alone(root, names, level, ending):
    result = run([f"{names[0]}{KPF.levels[level]}{ending}"])
    path = ObsID(names[0]).path(root, level)
    assert isinstance(result, Result)
    assert result.outcome is Outcome.SUCCEEDED
    assert [item.path for item in result.items] == [str(path)]
    assert [file for file in files(root) if is_touched(file)] == [path]


def test_nothing_is_ever_made_and_unknown_names_are_listed(root, names):
    before = files(root)
    result = run([names[0], "KP.20240101.86399.99", "KP.20250101.00000.00", "KP.2024.fits", "x"])
    assert states(result) == [
        TouchOutcome.TOUCHED,
        TouchOutcome.NOT_FOUND,
        TouchOutcome.NOT_FOUND,
        TouchOutcome.NO_OBSERVATION,
        TouchOutcome.NO_OBSERVATION,
    ]
    assert result.outcome is Outcome.PARTIAL
    assert result.reason == "1 touched, 2 not there, 2 not the name of an observation"
    assert files(root) == before
    assert run(["x"]).outcome is Outcome.FAILED


def test_a_file_that_vanishes_at_the_last_moment_is_not_made(root, names, monkeypatch):
    path = ObsID(names[0]).path(root, "L0")
    real = os.utime

    def utime(target):
        path.unlink()
        real(target)

    monkeypatch.setattr(os, "utime", utime)
    assert states(run([names[0]])) == [TouchOutcome.NOT_FOUND]
    assert not path.exists()


def test_a_touch_that_fails_is_reported(root, names, monkeypatch):
    def utime(target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", utime)
    result = run([names[0]])
    assert result.items[0][1:] == (TouchOutcome.FAILED, "Operation not permitted")
    assert result.outcome is Outcome.FAILED


def test_a_directory_with_the_name_of_a_file_is_left_alone(root):
    path = root / f"L0/{NIGHT}/KP.{NIGHT}.00000.00.fits"
    path.mkdir(parents=True)
    assert run([path.name]).items[0][1:] == (TouchOutcome.FAILED, "not a file")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_list_from_jump(tmp_path, names, ending):
    rows = ["observation_id,exptime", f'"{names[0]}.fits",3', "", f"{names[1]},4", '"nonsense"']
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ending.join(rows).encode())
    result = run(files=[path])
    assert states(result) == [
        TouchOutcome.TOUCHED,
        TouchOutcome.TOUCHED,
        TouchOutcome.NO_OBSERVATION,
    ]


def test_a_directory_gives_its_observations(root, names):
    folder = root / "L0" / NIGHT
    (folder / f".KP.{NIGHT}.00000.00.fits.Ab12Cd").touch()
    (folder / "notes.txt").touch()
    result = run(directories=[folder])
    assert [item.path for item in result.items] == [
        str(folder / f"{n}.fits") for n in sorted(names)
    ]
    assert result.outcome is Outcome.SUCCEEDED


def test_each_file_is_touched_once(names):
    result = run([names[0], f'"{names[0]}.fits"', f"/elsewhere/{names[0]}.fits", names[1]])
    assert len(result.items) == 2


def test_another_path(root, names, tmp_path):
    (root / "2D").rename(tmp_path / "elsewhere")
    assert states(run([f"{names[0]}_2D"])) == [TouchOutcome.NOT_FOUND]
    result = run([f"{names[0]}_2D", names[1]], path=tmp_path / "elsewhere")
    assert states(result) == [TouchOutcome.TOUCHED, TouchOutcome.NOT_FOUND]


def test_a_dry_run_touches_nothing(root, names):
    result = run([names[0], "x"], dry_run=True)
    assert states(result) == [TouchOutcome.WOULD_TOUCH, TouchOutcome.NO_OBSERVATION]
    assert not any(map(is_touched, files(root)))


def test_the_pause_is_between_files(names, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    touch.touch_files(names[:3], interval_seconds=0.2)
    assert [pause for pause in pauses if pause] == [0.2, 0.2]


def test_an_interruption_says_what_was_done(root, names, monkeypatch):
    def sleep(seconds):
        if is_touched(ObsID(names[1]).path(root, "L0")):
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    result = touch.touch_files(names[:4])
    assert states(result) == [
        TouchOutcome.TOUCHED,
        TouchOutcome.TOUCHED,
        TouchOutcome.NOT_REACHED,
        TouchOutcome.NOT_REACHED,
    ]
    assert result.outcome is Outcome.PARTIAL


def test_bad_input_is_refused_before_anything_is_touched(root, names, tmp_path):
    with pytest.raises(InvalidInputError, match="nowhere"):
        run([names[0]], files=[tmp_path / "nowhere"])
    with pytest.raises(InvalidInputError, match="nowhere"):
        run([names[0]], directories=[tmp_path / "nowhere"])
    for interval in (-1, float("nan")):
        with pytest.raises(InvalidParameterError, match="interval"):
            touch.touch_files([names[0]], interval_seconds=interval)
    assert not any(map(is_touched, files(root)))


def test_nothing_to_touch_is_no_failure():
    assert run().outcome is Outcome.SUCCEEDED
    assert run().reason == "no files to touch"


def test_how_a_result_shows_itself(names):
    result = run([names[0], "<b>"])
    assert (
        json.loads(json.dumps(result.to_dict()))["items"][1]["state"]
        == "not the name of an observation"
    )
    assert "<b>" not in result._repr_html_()
    assert list(result.to_frame()["state"]) == ["touched", "not the name of an observation"]
    assert figures.plot(result).axes[0].get_xlabel() == "files"
    assert result.key_figures() == {"files": 2, "touched": 1, "not touched": 1}
    assert str(result).endswith(result.reason)
