"""How large the site of a year of nightly runs is, and how fast it opens and searches.

    python benchmarks/run_site.py [--nights 365]

A pipeline of nine steps each night, simulated records, removed afterwards. Sizes; CPU seconds for
writing; wall seconds in Chromium, from disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.runs import site
from kpfnb.runs.classification import RunEndFacts

NOTEBOOKS = (
    "quicklook", "progress", "reprocess", "ingest", "timeseries", "quicklook", "progress",
    "tonight", "home",
)  # fmt: skip
REASON = "34 done, 1 junk; 102 of 102 products are there, 0 failed, in 1 h 02 min"
FIGURES = {"observations": 512, "2D": "100 %", "L1": "100 %", "L2": "99 %", "missing": 3}
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--nights", type=int, default=365)
    nights = options.parse_args().nights
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KPFNB_WORK_DIR"] = folder
        where = settings.load_settings().runs_dir
        last = plant(where, nights)
        print(f"{nights} nights, {len(runs.list_directories(where))} runs")
        measure("all pages written again", lambda: site.rebuild_stale(where))
        measure("after one more run", lambda: site.update_site(last))
        sizes = [(where / "index.html").stat().st_size]
        sizes += [path.stat().st_size for path in (where / "data").glob("*.js")]
        print(f"  index and catalogue: {sum(sizes) / 1e6:.2f} MB (goal 2)")
        print(f"  the index alone: {sizes[0] / 1e6:.2f} MB")
        search_index(where)


def plant(where: Path, nights: int) -> runs.RunRecord:
    """The records of so many nights; the last of them."""
    first = datetime(2025, 11, 1, 8, tzinfo=UTC)
    sample = runs.start_run("progress", parameters={"start": "20250101", "version": "", "end": ""})
    runs.write_result(sample, {"outcome": "succeeded", "reason": REASON, "figures": FIGURES})
    sample = runs.finish_run(sample, RunEndFacts(result=sample.read_result()))
    text = (sample.directory / runs.RECORD_NAME).read_text()
    for night in range(nights):
        for number, notebook in enumerate(("pipeline-night", *NOTEBOOKS)):
            moment = first + timedelta(days=night, minutes=10 * number)
            name = f"{night:04x}{number:04x}"
            directory = where / notebook / f"{moment:{runs.TIME_FORMAT}}-{name}"
            directory.mkdir(parents=True)
            kind = "notebook" if number else "pipeline"
            values = json.loads(text) | {"id": name, "notebook": notebook, "kind": kind}
            values |= {"started": f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"}
            values["parameters"] = {"start": f"{moment:%Y%m%d}", "version": "2.9.1"}
            (directory / runs.RECORD_NAME).write_text(json.dumps(values))
            for file in ("report.html", "notebook.ipynb", "result.json", "log.txt"):
                (directory / file).touch()
    shutil.rmtree(sample.directory)
    return runs.read_record(directory)


def measure(title: str, work: Callable[[], object]) -> None:
    """CPU seconds of some work, printed."""
    started = time.process_time()
    work()
    print(f"  {title}: {time.process_time() - started:.2f} CPU-s")


def search_index(site_dir: Path) -> None:
    """Open the index in Chromium and search in it."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM)
        browser.new_page().goto("about:blank")
        for _ in range(2):
            page = browser.new_page()
            started = time.monotonic()
            page.goto(f"file://{site_dir / 'index.html'}")
            print(f"  opened: {time.monotonic() - started:.2f} s (goal 1)")
            status = page.get_by_role("status")
            for words, expected in (("tonight 20251224", "1 of"), ("reprocess", "365 of")):
                started = time.monotonic()
                page.fill("input[name=text]", words)
                expect(status).to_contain_text(expected)
                print(f"  searched: {time.monotonic() - started:.2f} s: {status.inner_text()}")
        browser.close()


if __name__ == "__main__":
    main()
