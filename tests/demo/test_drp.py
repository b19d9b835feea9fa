"""The command line of the stand-in DRP, its exit codes, and the defects it can have on request."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from astropy.io import fits

from tests.demo.conftest import of_kind, run_drp
from tests.waiting import wait_for


def products(root: Path, level: str = "2D") -> set[str]:
    folder = root / level / "20240115"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_one_file(unreduced: Path) -> None:
    bias = of_kind(unreduced, "bias")[0]
    process = run_drp("--reprocess", bias, "-c", "a.cfg", "-r", "b.recipe")
    assert process.returncode == 0
    assert products(unreduced) == {f"{bias.stem}_2D.fits"}
    assert "SIMULATION" in process.stdout
    assert process.stderr == ""


def test_a_list_and_its_version(unreduced: Path, tmp_path: Path) -> None:
    biases = of_kind(unreduced, "bias")
    listed = tmp_path / "list.txt"
    listed.write_text("# biases\n" + "\n".join(map(str, biases)) + "\n\n")
    process = run_drp("--ncpus", 2, "--reprocess", listed, KPFNB_DEMO_DRPTAG="v2.9.2-3-gabc1234")
    assert process.returncode == 0
    assert len(products(unreduced, "L1")) == len(biases)
    product = unreduced / "2D/20240115" / f"{biases[0].stem}_2D.fits"
    assert fits.getheader(product)["DRPTAG"] == "v2.9.2-3-gabc1234"


@pytest.mark.slow
def test_an_l0_can_ask_for_a_version(unreduced: Path) -> None:
    dark = of_kind(unreduced, "dark")[0]
    fits.setval(dark, "SIMDRP", value="v2.12.1")
    assert run_drp("--reprocess", dark).returncode == 0
    header = fits.getheader(unreduced / "L1/20240115" / f"{dark.stem}_L1.fits")
    assert header["DRPTAG"] == "v2.12.1"
    # No older version writes it
    assert header["TRACFGRN"] == "/masters/20240115/kpf_20240115_master_flat_GREEN_CCD.csv"


def test_the_older_form_takes_a_directory(unreduced: Path) -> None:
    night = unreduced / "L0/20240115"
    for path in night.iterdir():
        if path not in of_kind(unreduced, "bias"):
            path.unlink()
    (night / "KP.20240115.-1.fits").touch()
    (night / ".KP.20240115.00001.00.fits.Ab12Cd").touch()
    process = run_drp("--ncpu", 2, night, "-c", "a.cfg", "-r", "b.recipe")
    # Without flats the orders can't be found: 2D, and a clear word about the rest
    assert process.returncode == 1
    assert len(products(unreduced)) == 2
    assert products(unreduced, "L1") == set()
    assert "no flat" in process.stdout


def test_a_bad_file_does_not_stop_the_others(unreduced: Path, tmp_path: Path) -> None:
    good, bad = of_kind(unreduced, "bias")
    empty = good.with_name("KP.20240115.00001.00.fits")
    empty.touch()
    bad.write_bytes(bad.read_bytes()[:40_000])
    listed = tmp_path / "list.txt"
    listed.write_text(f"{empty}\n{bad}\n{good}\n{tmp_path / 'KP.20240115.00002.00.fits'}\n")
    process = run_drp("--reprocess", listed)
    assert process.returncode == 1
    assert products(unreduced) == {f"{good.stem}_2D.fits"}
    assert "1 of 4 files reduced, 3 failed" in process.stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["--reprocess", "/nowhere"], ["--ncpus", "0", "."], ["--ncpus", "many", "."]],
)
def test_an_invalid_command_is_refused(arguments: list[str]) -> None:
    process = run_drp(*arguments)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr


def test_an_unknown_fault_is_refused() -> None:
    assert run_drp(".", KPFNB_DEMO_DRP_FAULT="flood").returncode == 2


def test_fault_failing_with_exit_0(unreduced: Path) -> None:
    bias = of_kind(unreduced, "bias")[0]
    process = run_drp("--reprocess", bias, KPFNB_DEMO_DRP_FAULT="fail-exit-0")
    assert process.returncode == 0
    assert "FAILED" in process.stdout
    assert products(unreduced) == set()


def test_fault_partial(unreduced: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(map(str, of_kind(unreduced, "bias"))))
    process = run_drp("--reprocess", listed, KPFNB_DEMO_DRP_FAULT="partial")
    assert process.returncode == 0
    assert (len(products(unreduced)), len(products(unreduced, "L1"))) == (2, 1)


def test_fault_crash(unreduced: Path) -> None:
    bias = of_kind(unreduced, "bias")[0]
    process = run_drp("--reprocess", bias, KPFNB_DEMO_DRP_FAULT="crash")
    assert process.returncode == -signal.SIGKILL


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kpfnb.demo.drp", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    assert process.stdout
    process.stdout.close()


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout
    assert any(word in line for line in process.stdout), f"never said {word!r}"


def test_fault_hang(unreduced: Path) -> None:
    bias = of_kind(unreduced, "bias")[0]
    process = start("--reprocess", bias, KPFNB_DEMO_DRP_FAULT="hang")
    try:
        read_until(process, "exiting pipeline")
        assert process.poll() is None
        assert products(unreduced) == {f"{bias.stem}_2D.fits"}
    finally:
        end(process)


def test_fault_orphan(unreduced: Path) -> None:
    bias = of_kind(unreduced, "bias")[0]
    process = start("--reprocess", bias, KPFNB_DEMO_DRP_FAULT="orphan")
    try:
        assert process.wait(timeout=60) == 0
        left = [p for p in psutil.process_iter() if _group(p.pid) == process.pid]
        assert left
    finally:
        end(process)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


@pytest.mark.slow
def test_a_killed_run_leaves_no_partial_file_and_the_next_one_completes_it(
    unreduced: Path,
) -> None:
    night = unreduced / "L0/20240115"
    process = start("--ncpus", 2, "--reprocess", night)
    try:
        read_until(process, "[2/")
        workers = psutil.Process(process.pid).children()
        assert workers
        process.kill()
        process.wait()
        # Its workers end with it, although nothing stopped them
        wait_for(lambda: not any(worker.is_running() for worker in workers))
    finally:
        end(process)
    for level in ("2D", "L1", "L2"):
        for path in (unreduced / level / "20240115").glob("KP.*.fits"):
            with fits.open(path) as hdus:
                last = hdus.fileinfo(len(hdus) - 1)
                assert len(hdus) > 3
                assert path.stat().st_size == last["datLoc"] + last["datSpan"]
    listed = unreduced / "list.txt"
    listed.write_text("\n".join(map(str, sorted(night.iterdir())[:3])))
    assert run_drp("--reprocess", listed).returncode == 0
    assert len(products(unreduced, "L1") & {f"{p.stem}_L1.fits" for p in night.iterdir()}) >= 3


@pytest.mark.slow
def test_watch_reduces_what_is_touched_until_it_is_stopped(unreduced: Path) -> None:
    dark = of_kind(unreduced, "dark")[0]
    process = start("--ncpus", 1, "--watch", unreduced / "L0/20240115")
    try:
        read_until(process, "watching")
        # It makes its first scan right after that message
        wait_for(lambda: _touched_until_seen(dark, unreduced))
        process.terminate()
        assert process.wait(timeout=30) == 0
    finally:
        end(process)
    assert products(unreduced) == {f"{dark.stem}_2D.fits"}


def _touched_until_seen(path: Path, root: Path) -> bool:
    """Touch a file again every two seconds until its last product exists."""
    if products(root, "L1"):
        return True
    if time.time() - path.stat().st_mtime > 2:
        path.touch()
    return False
