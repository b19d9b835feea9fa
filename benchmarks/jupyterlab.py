"""How long `kpfnb lab` takes to the first useful picture, and how many clicks tasks need.

    python benchmarks/jupyterlab.py

A demo tree is made in a temporary directory; a browser does what a person does, from an unrun home.
A click into a field counts, typing does not. Each path ends where its answer is seen.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NIGHT, OLDER_NIGHT = "20240115", "20240114"
MISSING = 4
QUEUE, FAILED_ITEM = "hall", "mask2"
STAR = re.compile("m/s")
MOST_SECONDS = 10.0
WAIT_SECONDS = 60.0
FILLED_IN = """text => [...document.querySelectorAll("textarea, input")]
  .some(field => field.value.includes(text))"""
COMMAND = (sys.executable, "-c", "from kpfnb.cli import main; main()")
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SETUP = (
    ("demo", "night", f"--night={OLDER_NIGHT}", "--count=star=1", "--count=bias=1"),
    ("quicklook", OLDER_NIGHT, "--l0"),
    ("demo", "night", f"--night={NIGHT}", "--headers-only", "--count=star=10"),
    ("ingest", NIGHT),
    ("report", NIGHT),
    ("demo", "reductions", "--count=1"),
    ("run", "scorecard", "-p", "root={work}/simulated"),
    (
        *("run", "queue", "-p", f"queue={QUEUE}", "-p", f"items=mask1,{FAILED_ITEM}"),
        *("-p", "test_workers=1", "-p", "test_sleep=0", "-p", f"test_fail={FAILED_ITEM}"),
    ),
)
ACCEPTED_EXITS = (0, 1, 3)
"""A queue with a parked item, or a reduction that failed, is no fault of the benchmark."""


class Person:
    """Somebody with a mouse, whose clicks are counted."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.clicks = 0
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def click(self, what: Any) -> None:
        """Click on it."""
        self.clicks += 1
        what.click()

    def enter(self, label: str, text: str) -> None:
        """Click into a field, type, and press Enter."""
        field = self.page.get_by_label(label, exact=True)
        self.click(field)
        field.fill(text)
        field.press("Enter")

    def link(self, name: str | re.Pattern[str]) -> Any:
        """The first link of that name."""
        return self.page.get_by_role("link", name=name).first

    def see(self, text: str | re.Pattern[str]) -> None:
        """Wait until a text is seen."""
        self.page.get_by_text(text).first.wait_for()


def see_missing(person: Person) -> None:
    """The missing files of the last night, and why."""
    person.click(person.page.get_by_text(re.compile(r"products? missing, and why")))
    person.page.get_by_text(re.compile(r"L2: ")).first.wait_for()
    person.see("no attempt known")


def reprocess_missing(person: Person) -> None:
    """Start the processing of what is missing."""
    person.click(person.link(re.compile("Reprocess th")))
    run = person.page.get_by_role("button", name="Run", exact=True)
    run.wait_for()
    person.page.wait_for_function(FILLED_IN, arg=f"KP.{NIGHT}")
    before = newest_reprocessing()
    person.click(run)
    deadline = time.monotonic() + WAIT_SECONDS
    while newest_reprocessing()[0] in ("", before[0]):
        assert time.monotonic() < deadline, "no reprocessing has started"
        person.page.wait_for_timeout(200)
    assert f"KP.{NIGHT}" in newest_reprocessing()[1]


def see_observation(person: Person) -> None:
    """The quicklook page of one observation."""
    person.enter("Observation", first_observation(person))
    person.page.wait_for_url(re.compile(r"/kpfnb/files/.*/KP\.[^/]*/"))
    person.page.locator("img").first.wait_for()


def see_velocities(person: Person) -> None:
    """The radial velocities of one star."""
    person.enter("Star", star_name(person))
    person.page.wait_for_url(re.compile(r"/kpfnb/files/.*stars/"))
    person.see(STAR)


def retry_failed_item(person: Person) -> None:
    """The failed items of a queue, their log, and another attempt."""
    queues = person.page.locator("#queues")
    queues.get_by_text(FAILED_ITEM, exact=True).wait_for()
    person.click(queues.get_by_text("end of the log"))
    queues.locator("pre").first.wait_for()
    person.click(queues.get_by_role("button", name=f"Retry {FAILED_ITEM}"))
    person.see(re.compile("1 parked → waiting"))


def see_worst_slits(person: Person) -> None:
    """The worst slits of a scorecard."""
    person.click(person.link("Scorecard"))
    person.page.wait_for_url(re.compile("scorecard.html"))
    person.see(re.compile("worst slits", re.I))


@dataclass(frozen=True)
class Task:
    """A task, the clicks that it took before, and those that it may take."""

    title: str
    do: Callable[[Person], None]
    before: str
    most_clicks: int


TASKS = (
    Task("missing files of last night and why", see_missing, "3, no why", 1),
    Task("reprocess them", reprocess_missing, "5", 2),
    Task("quicklook page of one observation", see_observation, "not reachable", 2),
    Task("RV of one star (and its name)", see_velocities, "10", 2),
    Task("failed items of a queue, log, retry", retry_failed_item, "10", 3),
    Task("worst slits of a scorecard", see_worst_slits, "5", 2),
)


def newest_reprocessing() -> tuple[str, str]:
    """The id and the targets of the newest run of the notebook `reprocess`."""
    from kpfnb import runs

    records = runs.list_runs(Path(os.environ["KPFNB_WORK_DIR"]) / "runs", notebook="reprocess")
    return (records[0].id, str(records[0].parameters.get("targets"))) if records else ("", "")


def first_observation(_: Person) -> str:
    """An observation that has a page."""
    work = Path(os.environ["KPFNB_WORK_DIR"])
    return next((work / "kpf/QLP" / OLDER_NIGHT).glob("KP.*/index.html")).parent.name


def star_name(_: Person) -> str:
    """A star in the database."""
    from kpfnb.kpf.timeseries.star_names import list_stars

    return list_stars()[0].name


def make_tree(work: Path) -> None:
    """The demo tree, with products of the last night removed."""
    environment = {**os.environ, "KPFNB_WORK_DIR": str(work), "KPFNB_QUEUE_ATTEMPTS": "1"}
    for arguments in SETUP:
        command = [*COMMAND, *(part.format(work=work) for part in arguments)]
        done = subprocess.run(
            command, cwd=work.parent, env=environment, capture_output=True, text=True
        )
        if done.returncode not in ACCEPTED_EXITS:
            sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
    for product in sorted((work / "kpf/L2" / NIGHT).glob("*.fits"))[-MISSING:]:
        product.unlink()


@contextmanager
def start_lab(project: Path) -> Iterator[str]:
    """`kpfnb lab`; gives the address of the home page with the login."""
    token, runtime = secrets.token_hex(8), project / "runtime"
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime)}
    environment |= {"JUPYTER_CONFIG_DIR": str(project / "config"), "JUPYTER_DATA_DIR": str(project)}
    command = [*COMMAND, "lab", "--no-browser", "--port=0", "--"]
    command += [f"--IdentityProvider.token={token}"]
    with (project / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=project, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield f"{wait_for_address(project / 'lab.log', server)}kpfnb/?token={token}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def wait_for_address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """The address that JupyterLab prints."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"(http://127\.0\.0\.1:\d+/)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    sys.exit(log.read_text())


def open_home(page: Any, address: str) -> None:
    """The home page, with the tile of the last night."""
    page.goto(address)
    page.get_by_text(f"Night {NIGHT}").wait_for()
    page.get_by_label("L2 done").wait_for()


def main() -> None:
    """Print the table, and fail where something takes too long."""
    from playwright.sync_api import sync_playwright

    is_bad = False
    with (
        tempfile.TemporaryDirectory(prefix="kpfnb-bench-") as name,
        sync_playwright() as playwright,
    ):
        project = Path(name)
        os.environ["KPFNB_WORK_DIR"] = str(project / "work")
        make_tree(project / "work")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM
        )
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(WAIT_SECONDS * 1000)
        started = time.monotonic()
        with start_lab(project) as address:
            page = context.new_page()
            open_home(page, address)
            seconds = time.monotonic() - started
            print(f"start to the first useful picture: {seconds:.1f} s (at most {MOST_SECONDS})")
            is_bad |= seconds > MOST_SECONDS
            for task in TASKS:
                person = Person(context.new_page())
                open_home(person.page, address)
                task.do(person)
                assert not person.problems, person.problems
                person.page.close()
                limits = f"before: {task.before}; at most {task.most_clicks}"
                print(f"{task.title}: {person.clicks} ({limits})", flush=True)
                is_bad |= person.clicks > task.most_clicks
        browser.close()
    sys.exit(is_bad)


if __name__ == "__main__":
    main()
