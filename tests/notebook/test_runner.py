import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from kpfnb import runs
from kpfnb.core import project, settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.notebook import parameter_sets, runner
from tests import samples

FILES = ["log.txt", "notebook.ipynb", "report.html", "result.json", "run.json"]


def names(record):
    return sorted(path.name for path in record.directory.iterdir())


def outputs(record):
    notebook = nbformat.read(record.directory / "notebook.ipynb", as_version=4)
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pixels(picture):
    from PIL import Image

    if picture is None:
        return None
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA")
    return image.size, image.tobytes()


def wait_for(condition, seconds=60):
    """Wait till it is true; the test fails where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def sleeping(folder: Path) -> Path:
    """A notebook that starts a child, writes their numbers to a file `pids`, and sleeps."""
    work = (
        "import os, pathlib, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '100'])\n"
        f"pid_file = pathlib.Path({str(folder / 'pids')!r})\n"
        "pid_file.with_suffix('.new').write_text(f'{os.getpid()} {child.pid}')\n"
        "pid_file.with_suffix('.new').rename(pid_file)\n"
        "time.sleep(100)"
    )
    return samples.make(folder, "sleeping", work, *samples.finishing())


def pids(folder: Path) -> list[int]:
    return [int(text) for text in (folder / "pids").read_text().split()]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_run_keeps_all_that_belongs_to_it(tmp_path):
    messages: list[str] = []
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, n])\nplt.show()"
    path = samples.make(tmp_path / "{odd} $n", "good", plot, *samples.finishing())
    record = runner.run_notebook(str(path), {"n": "5"}, echo=messages.append, parent="feed")
    assert (record.outcome, record.reason) == (Outcome.SUCCEEDED, "all done")
    assert record.parameters == {"n": 5, "label": "x"} and record.figures == {"items": 5}
    assert (record.parent, record.origin) == ("feed", "kpfnb")
    assert record.command == ["kpfnb", "run", str(path), "-p", "n=5"]
    assert runs.read_record(record.directory) == record
    assert names(record) == FILES
    assert any("image/png" in output.get("data", {}) for output in outputs(record))
    assert messages[-1] == "cell 7 of 7"


def test_forked_and_plain_kernels_show_the_same(tmp_path, monkeypatch):
    imports = "import ipywidgets, matplotlib.pyplot as plt, numpy as np, pandas as pd"
    plot = "plt.plot(np.arange(n) ** 2)\nplt.xlabel('x')\nplt.show()"
    table = "pd.DataFrame({'x': np.arange(n)})"
    look = "import sys\nprint(__name__, sys.argv[0][-21:], plt.get_backend(), plt.get_fignums())"
    path = samples.make(tmp_path, "plot", imports, plot, table, look)
    seen = {}
    for kind in ("fork", "plain"):
        monkeypatch.setenv(runner.KERNEL_VARIABLE, kind)
        # The first output is the provenance: it names the run
        seen[kind] = outputs(runner.run_notebook(str(path)))[1:]
    for forked, plain in zip(seen["fork"], seen["plain"], strict=True):
        shown = [
            dict(output.get("data", {"text": output.get("text")})) for output in (forked, plain)
        ]
        pictures = [output.pop("image/png", None) for output in shown]
        assert shown[0] == shown[1]
        assert pixels(pictures[0]) == pixels(pictures[1])
    assert sum("image/png" in output.get("data", {}) for output in seen["fork"]) == 1


@pytest.mark.parametrize("kind", ["fork", "plain"])
def test_each_end_is_recorded_as_what_it_was(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(runner.KERNEL_VARIABLE, kind)
    ends = {
        "error": ("1 / 0", Outcome.FAILED, "cell [3]: ZeroDivisionError: division by zero"),
        "killed": ("import os; os.kill(os.getpid(), 9)", Outcome.CRASHED, "the kernel died"),
        "empty": ("1", Outcome.FAILED, "it ended without a result"),
    }
    for name, (work, outcome, reason) in ends.items():
        record = runner.run_notebook(str(samples.make(tmp_path, name, work)))
        assert record.outcome is outcome and record.reason.startswith(reason)
        assert runs.read_record(record.directory) == record
        assert names(record) == [name for name in FILES if name != "result.json"]


def test_an_error_after_the_result_is_a_failure(tmp_path):
    path = samples.make(tmp_path, "late", *samples.finishing(), "raise OSError('disk gone')")
    record = runner.run_notebook(str(path))
    assert record.outcome is Outcome.FAILED and "disk gone" in record.reason
    assert "disk gone" in (record.directory / "log.txt").read_text()


def test_a_mistake_found_in_the_notebook_is_a_rejection_without_traceback(tmp_path):
    work = (
        "from kpfnb.core.errors import InvalidParameterError\n"
        "raise InvalidParameterError('start: no', 'do this')"
    )
    record = runner.run_notebook(str(samples.make(tmp_path, "late", work)))
    assert (record.outcome, record.reason) == (Outcome.REJECTED, "start: no → do this")
    (error,) = [output for output in outputs(record) if output.output_type == "error"]
    assert error.traceback == ["InvalidParameterError: start: no\n  → do this"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"m": 1}, "unknown parameter 'm'"),
        ({"n": "many"}, "parameter n: must be a whole number, not 'many'"),
        ({"n": 10}, "parameter n: must be a whole number from 1 to 9, not 10"),
    ],
)
def test_a_wrong_parameter_is_rejected_before_any_work(tmp_path, given, reason):
    path = samples.make(tmp_path, "good", "raise AssertionError")
    record = runner.run_notebook(str(path), given)
    assert (record.outcome, record.reason.partition(" → ")[0]) == (Outcome.REJECTED, reason)
    assert names(record) == ["run.json"]
    with pytest.raises(InvalidParameterError):
        runner.check_notebook_parameters(path, given)


def test_a_notebook_that_is_no_python_is_rejected(tmp_path):
    path = samples.make(tmp_path, "bad", "%matplotlib inline\n!ls\nawait x()", "x = = 2")
    record = runner.run_notebook(str(path))
    assert record.outcome is Outcome.REJECTED
    reason = "bad.ipynb, code cell 4, line 1: invalid syntax: x = = 2"
    assert record.reason.partition(" → ")[0] == reason


@pytest.mark.parametrize("text", ["", "{}", "[1]", "no json", '{"cells": 3, "nbformat": 4}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(InvalidInputError, match=r"x\.ipynb is not a notebook"):
        runner.check_notebook_parameters(tmp_path / "x.ipynb", {})


def test_notebooks_are_found_by_name_and_path(tmp_path):
    path = samples.make(tmp_path / "notebooks", "my-own-task")
    assert runner.find_notebook("my-own-task") == path
    assert runner.find_notebook("notebooks/my-own-task.ipynb") == path
    with pytest.raises(InvalidInputError, match="did you mean my-own-task"):
        runner.find_notebook("my-own-tusk")
    with pytest.raises(InvalidInputError, match=r"no notebook nowhere\.ipynb"):
        runner.find_notebook("nowhere.ipynb")


def test_a_dry_run_checks_and_writes_nothing(tmp_path):
    path = samples.make(tmp_path, "good", "raise AssertionError")
    record = runner.run_notebook(str(path), {"n": 4}, dry_run=True)
    assert record.outcome is Outcome.SUCCEEDED and record.parameters["n"] == 4
    assert not settings.load_settings().runs_dir.exists()


def test_a_notebook_that_knows_dry_runs_makes_one(tmp_path):
    declared = samples.PARAMETERS + '\ndry_run: "bool" = False  # change nothing'
    path = samples.make(
        tmp_path, "good", "assert dry_run is True", *samples.finishing(), parameters=declared
    )
    record = runner.run_notebook(str(path), dry_run=True)
    assert record.outcome is Outcome.SUCCEEDED and record.parameters["dry_run"] is True


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fork", "plain"])
def test_a_run_that_takes_too_long_is_stopped(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(runner.KERNEL_VARIABLE, kind)
    monkeypatch.setattr("kpfnb.notebook.kernels.execution.GRACE_SECONDS", 0.5)
    # It does not listen when it is told to stop
    deaf = (
        "import time\nwhile True:\n    try:\n        time.sleep(100)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    record = runner.run_notebook(str(samples.make(tmp_path, "deaf", deaf)), timeout_seconds=5)
    assert (record.outcome, record.reason) == (Outcome.FAILED, "stopped: took more than 5 s")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, None])
def test_a_stopped_run_leaves_nothing_behind(tmp_path, stop):
    def interrupt() -> None:
        wait_for((tmp_path / "pids").exists)
        if stop:
            os.kill(os.getpid(), stop)
        else:
            runner.stop_all_notebooks()

    path = sleeping(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=interrupt)
    thread.start()
    record = runner.run_notebook(str(path))
    thread.join()
    assert (record.outcome, record.reason) == (Outcome.FAILED, runner.STOPPED_BY_OPERATOR)
    for pid in pids(tmp_path):
        wait_for(lambda pid=pid: gone(pid))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_killed_kpfnb_takes_its_kernel_with_it(tmp_path):
    code = f"from kpfnb.notebook import runner; runner.run_notebook({str(sleeping(tmp_path))!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    wait_for((tmp_path / "pids").exists)
    process.kill()
    process.wait()
    for pid in pids(tmp_path):
        wait_for(lambda pid=pid: gone(pid))
    (record,) = runs.list_runs(settings.load_settings().runs_dir)
    assert record.outcome is Outcome.CRASHED


def test_runs_side_by_side_keep_apart(tmp_path):
    draw = "import numpy as np\nprint(label, np.random.rand())"
    tell = "import logging\nlogging.getLogger('w').info('said by %s', label)"
    path = samples.make(tmp_path, "good", draw, tell, *samples.finishing())
    done = {}
    threads = [
        threading.Thread(
            target=lambda i=i: done.update({i: runner.run_notebook(str(path), {"label": i})})
        )
        for i in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    printed = [outputs(done[label])[1].text.split() for label in done]
    assert sorted(label for label, _ in printed) == ["a", "b"]
    # Kernels forked from one process draw different numbers
    assert len({number for _, number in printed}) == 2
    for label, record in done.items():
        assert record.outcome is Outcome.SUCCEEDED
        log = (record.directory / "log.txt").read_text()
        assert [line.split()[-1] for line in log.splitlines() if "said by" in line] == [label]


def test_no_secret_of_the_settings_is_in_the_output(tmp_path, monkeypatch):
    monkeypatch.setenv("KPFNB_TSDB_URL", "postgresql://me:geheim@host/db")
    show = (
        "from kpfnb.core.settings import load_settings\n"
        "print(load_settings().tsdb_url.get_secret_value())"
    )
    record = runner.run_notebook(
        str(samples.make(tmp_path, "leak", show, "raise OSError(str(label))"))
    )
    for path in record.directory.iterdir():
        assert "geheim" not in path.read_text()
    assert "********" in (record.directory / "notebook.ipynb").read_text()


def test_a_full_disk_is_a_failure_that_says_so(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = samples.make(tmp_path, "good", *samples.finishing())
    monkeypatch.setattr("papermill.engines.write_ipynb", full)
    record = runner.run_notebook(str(path))
    assert record.outcome is Outcome.FAILED and "No space left on device" in record.reason
    assert runs.read_record(record.directory) == record


def test_settings_that_are_spoilt_while_it_runs_do_not_hide_its_end(tmp_path):
    spoil = f"open({str(Path.cwd() / project.SETTINGS_FILE_NAME)!r}, 'w').write('half a li')"
    path = samples.make(tmp_path, "good", *samples.finishing(), spoil)
    record = runner.run_notebook(str(path))
    assert record.outcome is Outcome.FAILED and project.SETTINGS_FILE_NAME in record.reason
    assert runs.read_record(record.directory) == record
    assert (record.directory / "notebook.ipynb").exists()


@pytest.mark.parametrize(("obstacle", "is_folder"), [("runs/index.html", True), ("locks", False)])
def test_pages_that_can_not_be_written_do_not_make_a_run_bad(tmp_path, caplog, obstacle, is_folder):
    where = settings.load_settings().work_dir / obstacle
    where.parent.mkdir(parents=True, exist_ok=True)
    where.mkdir() if is_folder else where.touch()
    record = runner.run_notebook(str(samples.make(tmp_path, "good", *samples.finishing())))
    assert record.outcome is Outcome.SUCCEEDED
    assert runs.read_record(record.directory).outcome is Outcome.SUCCEEDED
    assert "kpfnb runs site" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_small_disk_that_fills_up(tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)])
    if mounted.returncode:
        pytest.skip("this system does not let us mount a disk")
    try:
        monkeypatch.setenv("KPFNB_WORK_DIR", str(disk))
        path = samples.make(tmp_path, "big", "print('x' * 1_000_000)", *samples.finishing())
        record = runner.run_notebook(str(path))
        assert record.outcome is Outcome.FAILED and "No space left" in record.reason
        assert runs.read_record(record.directory).outcome is Outcome.FAILED
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_broken_fork_server_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'kernels.fork_server_main' in ' '.join(sys.orig_argv): raise SystemExit(1)"
    )
    record = runner.run_notebook(str(samples.make(tmp_path, "good", *samples.finishing())))
    assert record.outcome is Outcome.SUCCEEDED
    assert "plain kernel" in (record.directory / "log.txt").read_text()


def test_an_unknown_kernel_kind_is_refused(monkeypatch):
    monkeypatch.setenv(runner.KERNEL_VARIABLE, "fast")
    with pytest.raises(InvalidSettingsError, match="fork or plain"):
        runner.choose_kernel_kind()


def test_plain_papermill_makes_a_record_too(tmp_path):
    import papermill
    from jupyter_core.utils import ensure_event_loop

    good = samples.make(tmp_path, "good", *samples.finishing("partial", "1 of 3 failed"))
    wrong = samples.make(tmp_path, "wrong", "1 / 0")
    loop = ensure_event_loop()
    papermill.execute_notebook(good, tmp_path / "out.ipynb", {"n": 4}, progress_bar=False)
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(wrong, tmp_path / "out.ipynb", progress_bar=False)
    loop.close()
    failed, partial = runs.list_runs(settings.load_settings().runs_dir)
    assert (partial.outcome, partial.reason) == (Outcome.PARTIAL, "1 of 3 failed")
    assert (partial.origin, partial.parameters["n"]) == ("papermill", 4)
    assert failed.outcome is Outcome.FAILED and "ZeroDivisionError" in failed.reason
    assert json.loads(partial.result_file.read_text())["outcome"] == "partial"


def test_parameter_sets_are_yaml(tmp_path):
    file = tmp_path / "demo.yml"
    file.write_text("n: 4\nlabel: [a, b]\n")
    assert parameter_sets.load_parameter_file(file) == {"n": 4, "label": ["a", "b"]}
    file.write_text("")
    assert parameter_sets.load_parameter_file(file) == {}


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just words", "a: !!python/object:x {}"])
def test_a_file_that_is_no_parameter_set_is_named(tmp_path, text):
    (tmp_path / "x.yml").write_text(text)
    with pytest.raises(InvalidInputError, match=r"x\.yml is not"):
        parameter_sets.load_parameter_file(tmp_path / "x.yml")
    with pytest.raises(InvalidInputError, match=r"can't read the parameters in .*none\.yml"):
        parameter_sets.load_parameter_file(tmp_path / "none.yml")


def test_the_end_of_a_run_without_a_person_is_told(tmp_path, monkeypatch):
    told = tmp_path / "told"
    monkeypatch.setenv("KPFNB_NOTIFY_COMMAND", f"cp {{report}}/run.json {told}")
    notebook = samples.make(tmp_path, "work")
    record = runner.run_notebook(str(notebook), {"n": 40})
    assert json.loads(told.read_text())["id"] == record.id
