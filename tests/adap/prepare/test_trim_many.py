import pytest

from kpfnb.adap.prepare import sort_frames, trim_many
from kpfnb.adap.pypeit import input_files
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.demo import deimos_frames
from kpfnb.notebook.display import figures

JOINED = "NGC1eh/1200G_8800_OG550/2015-10-16_2015-10-18"
OTHER = "41615_B-1/600ZD_6500_OG550/2015-10-16"


@pytest.fixture
def root(tmp_path):
    """Two complete datasets and one that is not."""
    deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    sort_frames.sort_frames([tmp_path / "raw"], tmp_path / "data", spectrograph="keck_deimos")
    return tmp_path / "data"


def trim(root, *names, **options):
    return trim_many.trim_datasets(
        root, names, spectrograph="keck_deimos", progress=False, **options
    )


def test_all_complete_datasets_are_trimmed_and_then_there_is_nothing_to_do(root):
    result = trim(root)
    assert result.outcome is Outcome.SUCCEEDED
    assert [item.dataset for item in result.results] == [OTHER, JOINED]
    path = root / JOINED / "complete/reduce/keck_deimos_A/keck_deimos_A.pypeit"
    plan = input_files.read_pypeit_file(path)
    arcs = {f.values["lampstat01"] for f in plan.frames if f.used and "arc" in f.types}
    assert arcs == {"Kr Xe Ar Ne", "Hg Cd Zn"}
    assert sum(f.used and "trace" in f.types for f in plan.frames) == 3
    assert result.frames()["used"].sum() == 2 + 3 + 4 + 1 + 2 + 1
    assert "0 of 2 .pypeit files of 2 datasets written, nothing to do" in trim(root).reason


def test_a_dataset_that_fails_does_not_stop_the_others(root):
    result = trim(root, OTHER, "x/y/2015-01-01")
    assert result.outcome is Outcome.PARTIAL
    assert "x/y/2015-01-01: InvalidInputError: the raw directory" in result.reason
    assert list(result.to_frame()["dataset"]) == [OTHER, "x/y/2015-01-01"]


def test_custom_files_go_to_their_dataset_alone(root, tmp_path):
    name = OTHER.replace("/", "_")
    atomic.write_text(tmp_path / "custom" / f"{name}_reduce2.ini", "[rdx]\n")
    result = trim(root, custom=tmp_path / "custom")
    reductions = {item.dataset: item.paths[0].parent.parent.name for item in result.results}
    assert reductions == {OTHER: "reduce2", JOINED: "reduce"}


def test_wrong_arguments_are_rejected_before_any_work(root, tmp_path):
    with pytest.raises(InvalidInputError, match="no complete dataset"):
        trim(tmp_path / "raw")
    with pytest.raises(InvalidInputError, match="can't read"):
        trim(root, exclude=tmp_path / "gone.txt")
    with pytest.raises(InvalidInputError, match="not 3"):
        trim(root, "x/y")
    assert not list(root.rglob("*.pypeit"))


def test_it_shows_itself(root):
    result = trim(root, dry_run=True)
    assert "would be written" in str(result) and "keck" not in result._repr_html_()
    assert result.to_dict()["datasets"][0]["dataset"] == OTHER
    assert figures.plot(result).axes[0].get_xlabel() == "frames"
