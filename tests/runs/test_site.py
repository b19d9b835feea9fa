import re
import shutil
from html.parser import HTMLParser

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.core.result import Outcome
from kpfnb.runs import formatting, site
from kpfnb.runs.classification import RunEndFacts

EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Tags and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    @property
    def links(self) -> list[str]:
        return [attributes["href"] for tag, attributes in self.tags if tag in ("a", "link")]


def runs_dir():
    return settings.load_settings().runs_dir


def finished(name="progress", outcome="succeeded", reason="done", day=None, **known):
    record = runs.start_run(name, **known)
    if day:
        moved = record.directory.with_name(day + record.directory.name[8:])
        record.directory.rename(moved)
        record = runs.read_record(moved)
    result = {"outcome": outcome, "reason": reason, "figures": {"nights": 3}}
    runs.write_result(record, result)
    return runs.finish_run(record, RunEndFacts(result=result))


def page(name="index.html"):
    return (runs_dir() / name).read_text()


def test_the_page_shows_the_newest_first():
    finished("first")
    last = finished("second", "partial", "1 of 3 failed", parameters={"start": "20240101"})
    site.update_site(last)
    html = page()
    assert html.index("<strong>second") < html.index("<strong>first")
    for text in ("◐ partial", "✔ succeeded", "1 of 3 failed", "nights", "20240101", last.id):
        assert text in html


def test_a_run_is_one_line_with_its_whole_reason_as_title():
    reason = "2 of 3 reduced: " + "the reason why it went wrong " * 20
    site.update_site(finished("reduce", "failed", reason, parameters={"start": "20240101"}))
    html = page()
    [summary] = [attributes for tag, attributes in Page(html).tags if tag == "summary"]
    assert summary["title"] == reason
    row = html[html.index("<tbody>") : html.index("</tbody>")]
    # What is beyond the line is folded
    line = row[: row.index("<details>")] + row[row.index("</details>") :]
    assert "<br>" not in line and "20240101" not in line
    assert '<dd class="mono">20240101</dd>' in row


def test_there_are_links_to_the_report_the_log_and_the_notebook_in_this_order():
    record = finished()
    for name in ("notebook.ipynb", "log.txt", "report.html"):
        (record.directory / name).write_text("")
    site.update_site(record)
    targets = [link.rpartition("/")[2] for link in Page(page()).links if record.id in link]
    assert targets == ["report.html", "log.txt", "notebook.ipynb", "result.json"]


def test_the_zone_of_the_times_is_named_once():
    site.update_site(finished(day="20240101"))
    for name, zone in (("index.html", "Pacific/Honolulu"), ("days/2024-01-01.html", "UTC")):
        text = re.sub(r"<form.*?</form>", "", page(name), flags=re.DOTALL)
        assert f"Started ({zone})" in text
        assert len(re.findall("UTC|Honolulu", text)) == 1


def test_one_run_is_no_runs():
    site.update_site(finished())
    assert ">1 run<" in page()


def test_every_link_leads_somewhere():
    finished(day="20240101")
    site.update_site(finished(day="20240101"))
    site.update_site(finished("{odd} & ü"))
    for file in [runs_dir() / "index.html", *(runs_dir() / "days").glob("*.html")]:
        links = Page(file.read_text()).links
        assert len(links) > 2
        for link in links:
            from urllib.parse import unquote

            assert (file.parent / unquote(link)).exists(), f"{file}: {link}"


def test_days_lead_to_each_other():
    site.update_site(finished(day="20240101"))
    site.update_site(finished(day="20240103"))
    links = Page(page("days/2024-01-03.html")).links
    assert "2024-01-01.html" in links and "index.html" in links
    assert "2024-01-03 (1)" in page("days/index.html")


def test_nothing_hostile_gets_through():
    site.update_site(finished(reason=EVIL, parameters={EVIL: EVIL}, parent=EVIL))
    html = page()
    assert "default-src &#39;none&#39;; script-src &#39;self&#39;" in html
    scripts = [attributes for tag, attributes in Page(html).tags if tag == "script"]
    assert scripts == [{"src": "runs.js", "defer": None}]
    for tag, attributes in Page(html).tags:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_a_crash_is_found_and_written_down():
    import json

    record = runs.start_run("progress")
    file = record.directory / runs.RECORD_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | {"process_started": 1.0}))
    site.update_site(finished())
    assert "▲ crashed" in page()
    assert runs.read_record(record.directory).outcome is Outcome.CRASHED


def test_of_thousands_the_page_shows_the_latest(monkeypatch):
    record = finished(day="20240101")
    for number in range(1, 3000):
        twin = record.directory.with_name(f"20230101T000000.{number:06d}Z-{number:08x}")
        twin.mkdir()
        (twin / "run.json").write_text((record.directory / "run.json").read_text())
    last = finished()
    site.update_site(last)
    html = page()
    assert html.count("<tr class") == site.MAX_LATEST
    assert f"the latest {site.MAX_LATEST} of 3001" in html
    assert len(html) < 500_000
    assert "2023-01-01 (2999)" in page("days/index.html")
    shutil.rmtree(runs_dir())


def test_durations_are_readable():
    durations = [
        formatting.format_run_duration(seconds)
        for seconds in (None, 0.04, 59.94, 59.97, 61, 3599.7, 7265)
    ]
    assert durations == [
        "–",
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "1 min 01 s",
        "1 h 00 min",
        "2 h 01 min",
    ]
