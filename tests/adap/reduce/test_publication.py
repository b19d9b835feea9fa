"""Results on a disk and on real S3: complete, or unchanged, wherever a run is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpfnb import storage
from kpfnb.adap.products import reduction
from kpfnb.adap.reduce import publication
from kpfnb.core import atomic
from kpfnb.queue.lease import LeaseLostError
from kpfnb.storage import Location
from tests.adap.small_datasets import below
from tests.storage.conftest import impatient, remotes, s3_port, s3_root  # noqa: F401

BELOW = "mask/config/2015-10-16/complete"


@pytest.fixture(params=["disk", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(kind: str, remotes: dict[str, Path]) -> Location:  # noqa: F811
    """The folder of a dataset's reductions on a remote."""
    return storage.resolve_location(f"{kind}:{BELOW}")


@pytest.fixture
def behind(kind: str, remotes: dict[str, Path]) -> Path:  # noqa: F811
    """The same as its server sees it."""
    return remotes[kind] / BELOW


def write(folder: Path, *, good: int = 2, frames: int = 2, **texts: str) -> Path:
    """A reduction with this number of good frames."""
    names = [f"d{number}.fits" for number in range(frames)]
    verdicts = [
        {"file": name, "reason": "" if number < good else "lost"}
        for number, name in enumerate(names)
    ]
    record = {
        "outcome": "succeeded" if good == frames else "failed",
        "reason": f"{good} of {frames}",
        "started": "2026-01-31T12:00:00Z",
        "inputs": {"frames": dict.fromkeys(names)},
        "science": verdicts,
    }
    atomic.write_json(folder / reduction.RECORD_NAME, record)
    contents = {"A/A.log": "a log", "A/Science/spec2d_d0.fits": "a product", **texts}
    for name, text in contents.items():
        atomic.write_text(folder / name.replace("__", "/"), text)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in below(folder)}


def test_results_and_their_manifest(target: Location, behind: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "reduce")
    done = publication.publish_reduction(folder, target, token=5)
    assert (done.copied, done.kept) == (3, False)
    assert below(behind) == {f"reduce/{path}" for path in {*below(folder), "publication.json"}}
    manifest = publication.read_remote_manifest(target / "reduce")
    assert manifest is not None
    assert (manifest["token"], manifest["outcome"]) == (5, "succeeded")
    sizes = publication.file_sizes_below(target.list(recursive=True), "reduce")
    assert publication.is_complete(manifest, sizes)
    assert not publication.is_complete(manifest, {**sizes, "A/A.log": 1})
    assert not publication.is_complete({**manifest, "outcome": "failed"}, sizes)
    assert publication.read_remote_record(target / "reduce") == atomic.read_json(
        folder / reduction.RECORD_NAME
    )
    # No local copy is left
    assert below(tmp_path / "reduce") == {*manifest["files"]}
    assert not list(tmp_path.glob("publishing_*"))


def test_unchanged_results_are_not_transferred_again(
    target: Location, behind: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "reduce")
    publication.publish_reduction(folder, target)
    before = {path: path.stat().st_mtime_ns for path in behind.rglob("*")}
    again = publication.publish_reduction(folder, target, token=9)
    assert again.copied == 0
    assert {path: path.stat().st_mtime_ns for path in behind.rglob("*")} == before


def test_better_results_replace_what_is_there(
    target: Location, behind: Path, tmp_path: Path
) -> None:
    publication.publish_reduction(write(tmp_path / "old", good=1, A__old="gone"), target, "reduce")
    new = write(tmp_path / "new", A__new="a new one")
    done = publication.publish_reduction(new, target, "reduce")
    assert done.kept is False
    result = contents(behind / "reduce")
    result.pop("publication.json")
    assert result == contents(new)
    assert below(behind) == {f"reduce/{path}" for path in {*result, "publication.json"}}


def test_worse_results_stay_away(target: Location, behind: Path, tmp_path: Path) -> None:
    publication.publish_reduction(write(tmp_path / "old"), target, "reduce")
    before = contents(behind / "reduce")
    done = publication.publish_reduction(write(tmp_path / "new", good=1), target, "reduce")
    assert done.kept
    assert "earlier results are kept" in str(done)
    assert contents(behind / "reduce") == before
    assert below(behind / "failed") == {"reduce/A/A.log", "reduce/reduction.json"}


def test_a_frame_removed_from_the_dataset_is_not_counted_as_lost(
    target: Location, behind: Path, tmp_path: Path
) -> None:
    publication.publish_reduction(write(tmp_path / "old", good=3, frames=3), target, "reduce")
    done = publication.publish_reduction(
        write(tmp_path / "new", good=2, frames=2), target, "reduce"
    )
    assert not done.kept


def losing(after: int) -> Callable[[], None]:
    """A lease that is lost after this number of checks."""
    asked: list[None] = []

    def confirm() -> None:
        if len(asked) >= after:
            raise LeaseLostError("the lease was lost")
        asked.append(None)

    return confirm


@pytest.mark.parametrize("after", [0, 1, 2])
def test_stopped_at_any_point_old_results_stay_complete_and_the_next_run_continues(
    target: Location, behind: Path, tmp_path: Path, after: int
) -> None:
    old = write(tmp_path / "old", good=1, A__old="of the old one")
    new = write(tmp_path / "new", A__new="of the new one")
    publication.publish_reduction(old, target, "reduce")
    before = contents(behind / "reduce")
    with pytest.raises(LeaseLostError):
        publication.publish_reduction(new, target, "reduce", confirm=losing(after))
    result = contents(behind / "reduce")
    is_old = result == before
    # Without its manifest nobody takes it for results
    assert is_old or "publication.json" not in result
    assert is_old is (after == 0)
    # Wherever it stopped, the frames that were reduced are present
    assert "A/Science/spec2d_d0.fits" in result
    publication.publish_reduction(new, target, "reduce")
    result = contents(behind / "reduce")
    assert result.pop("publication.json")
    assert result == contents(new)
    assert not (behind / "publishing_reduce").exists()


def test_a_damaged_manifest_is_ignored(target: Location, behind: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "reduce")
    publication.publish_reduction(folder, target)
    (tmp_path / "half.json").write_text('{"outcome":')
    storage.transfer_files(
        tmp_path / "half.json", target / "reduce/publication.json", progress=False
    )
    assert publication.read_remote_manifest(target / "reduce") is None
    publication.publish_reduction(folder, target)
    manifest: Any = publication.read_remote_manifest(target / "reduce")
    assert manifest["outcome"] == "succeeded"


def test_a_broken_link_among_the_raw_frames_opens_no_way_for_worse_results(
    remotes: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    target, behind = storage.resolve_location(f"disk:{BELOW}"), remotes["disk"] / BELOW
    publication.publish_reduction(write(tmp_path / "old"), target, "reduce")
    (behind / "raw").mkdir()
    (behind / "raw/d1.fits").symlink_to("moved/d1.fits")
    assert publication.publish_reduction(write(tmp_path / "new", good=1), target, "reduce").kept
