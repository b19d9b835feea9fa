from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.pypeit import installation
from kpfnb.adap.reduce import job
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from tests.adap.fake_pypeit import write_raw


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        installation, "list_spectrographs", lambda: ["keck_deimos", "shane_kast_blue"]
    )


def prepare(raw: str | Path, output: str | Path = "", **options: str) -> job.ReductionTask:
    config = job.ReductionConfig(**{"spectrograph": "keck_deimos", **options})  # type: ignore[arg-type]
    return job.prepare_task(raw, output, config)


def test_the_output_is_named_after_the_dataset(tmp_path: Path) -> None:
    reductions = tmp_path / "work/reductions"
    assert prepare(tmp_path / "night1").output == reductions / "night1"
    assert prepare(tmp_path / "night1/raw").output == reductions / "night1"


def test_environment_variables_are_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTS", str(tmp_path))
    task = prepare("$NIGHTS/one", "${NIGHTS}/two")
    assert (task.raw, task.output) == (tmp_path / "one", tmp_path / "two")
    with pytest.raises(InvalidInputError, match="raw: the environment variable NOPE"):
        prepare("$NOPE/one")


def test_an_invalid_target_is_reported_before_a_missing_spectrograph() -> None:
    with pytest.raises(InvalidInputError, match=r"the raw folder .*/my night does not exist"):
        prepare("my night", spectrograph="")


def test_the_example_needs_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "get_example_frames", lambda work_dir: work_dir / "kast")
    task = prepare("", spectrograph="")
    assert (task.raw, task.spectrograph) == (tmp_path / "work/kast", "shane_kast_blue")
    assert task.output == tmp_path / "work/reductions/shane_kast_blue"


@pytest.mark.parametrize("setup", ["", "a", "A,", "A;B", "everything"])
def test_an_impossible_setup_is_refused(tmp_path: Path, setup: str) -> None:
    with pytest.raises(InvalidParameterError, match="setup"):
        prepare(tmp_path / "night", setup=setup)


def test_setups_may_be_several(tmp_path: Path) -> None:
    assert prepare(tmp_path / "night", setup="A, B").setup == "A,B"


@pytest.mark.parametrize("output", ["night", "night/out", "."])
def test_raw_and_output_are_kept_apart(tmp_path: Path, output: str) -> None:
    with pytest.raises(InvalidInputError, match="overlap"):
        prepare(tmp_path / "night", tmp_path / output)


def test_config_is_lines_a_text_or_a_file(tmp_path: Path) -> None:
    lines = ("[reduce]", "  [[findobj]]", "    snr_thresh = 5")
    text = "\n".join(lines)
    (tmp_path / "deimos.cfg").write_text(text)
    assert job.read_parameter_lines(list(lines)) == lines
    assert job.read_parameter_lines(text) == lines
    assert job.read_parameter_lines(str(tmp_path / "deimos.cfg")) == lines
    assert job.read_parameter_lines([str(tmp_path / "deimos.cfg")]) == lines
    assert job.read_parameter_lines("[reduce]") == ("[reduce]",)
    assert job.read_parameter_lines(["[reduce]"]) == ("[reduce]",)
    assert job.read_parameter_lines("") == job.read_parameter_lines([]) == ()
    with pytest.raises(InvalidInputError, match="config: can't read"):
        job.read_parameter_lines("nope.cfg")


def test_inputs_change_with_each_part(tmp_path: Path) -> None:
    from kpfnb.adap.products import dataset

    raw = write_raw(tmp_path / "night", {"b1.fits": "arc"})
    frames = dataset.find_raw_frames(raw)
    variants = [
        prepare(raw),
        prepare(raw, setup="A"),
        prepare(raw, parameters="[reduce]"),
        prepare(raw, spectrograph="shane_kast_blue"),
    ]
    inputs = [variant.inputs(frames) for variant in variants]
    assert all(value != other for n, value in enumerate(inputs) for other in inputs[:n])
    assert inputs[0] == prepare(raw, tmp_path / "elsewhere").inputs(frames)
