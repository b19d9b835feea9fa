import pytest

from kpfnb.adap.prepare import preparation
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.demo import deimos_frames


@pytest.fixture
def work(tmp_path):
    deimos_frames.simulate_deimos_frames(tmp_path / "work/incoming")
    return tmp_path / "work"


def prepare(**options):
    return preparation.prepare_datasets(spectrograph="keck_deimos", progress=False, **options)


def test_without_arguments_it_takes_the_incoming_frames(work):
    result = prepare()
    assert result.outcome is Outcome.PARTIAL
    assert result.frames.root == work / "prepared/keck_deimos"
    assert result.to_dict()["datasets"] == result.frames.complete
    assert result.setups and not list(work.rglob("*.pypeit"))
    assert set(result.calibrations()["dataset"]) == set(result.frames.complete)


def test_headers_are_fixed_before_the_frames_get_to_their_places(work):
    fix = {"DE.20151016.38160.fits": {"SLMSKNAM": "NGC1eh"}}
    fix["DE.20151016.34560.fits"] = {"RA": 64.0786, "TARGNAME": "NGC1eh"}
    atomic.write_json(work / "fixes.yml", {"folder": "incoming", "files": fix})
    (work / "incoming/DE.20151016.55555.fits").unlink()
    result = prepare(fixes=work / "fixes.yml", how="symlink", write_setups=True)
    assert result.outcome is Outcome.SUCCEEDED
    assert len(list(work.rglob("*.pypeit"))) == 2
    again = prepare(fixes=work / "fixes.yml", how="symlink", write_setups=True)
    assert again.reason.count("nothing to do") == 3
    assert str(again).count("succeeded") == 3 and "Datasets" in again._repr_html_()


def test_a_dry_run_changes_nothing(work):
    before = sorted(work.rglob("*"))
    result = prepare(dry_run=True)
    assert result.setups is None and result.calibrations().empty
    assert [path for path in sorted(work.rglob("*")) if "locks" not in str(path)] == before


def test_no_incoming_frames(tmp_path):
    with pytest.raises(InvalidInputError, match="incoming does not exist") as caught:
        prepare()
    assert "kpfnb demo frames" in caught.value.hint


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_directory_without_frames_is_skipped_with_the_reason_first(tmp_path, dry_run):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    result = prepare(raw=[tmp_path / "empty"], dry_run=dry_run)
    assert result.outcome is Outcome.SKIPPED
    assert result.reason.startswith(f"no raw frames (.fits, .fits.gz) in {tmp_path / 'empty'}")


def test_the_real_kast_example(kast_frames):
    result = preparation.prepare_datasets(
        spectrograph="shane_kast_blue", how="symlink", progress=False
    )
    assert result.outcome is Outcome.SUCCEEDED
    assert result.frames.complete == ["longslit/600-4310_d55/2015-05-20"]
    assert result.calibrations()["used"].all()
