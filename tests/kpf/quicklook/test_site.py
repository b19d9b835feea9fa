"""The pages, made from records alone."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.quicklook import last_good, pages, record, site
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import ExposureSummary, Picture, QuicklookRecord, SkippedPlot
from kpfnb.kpf.quicklook.targets import QuicklookTarget

A, B, C = "KP.20240115.00001.00", "KP.20240115.40000.00", "KP.20240115.50000.00"
EVIL = "<script>alert(1)</script>$\\frac{ é\"'"


def add(products: Path, name: str, level: str = "L1", **values: object) -> None:
    """A record with its one picture, and the pages."""
    suffix = {"L0": "", "2D": "_2D"}.get(level, f"_{level}")
    path = Path(f"/x/{level}/{name[3:11]}/{name}{suffix}.fits")
    if level == "master":
        path = Path(f"/x/masters/20240115/{name}.fits")
    target = QuicklookTarget.from_path(path)
    product_dir = products / target.product_dir
    prefix = "" if level == "master" else f"{level}/"
    picture = Picture(level, "A picture", f"{prefix}{name}_a.png", f"{prefix}{name}_a.jpg")
    for file in (picture.path, picture.thumbnail):
        (product_dir / file).parent.mkdir(parents=True, exist_ok=True)
        (product_dir / file).write_bytes(b"x")
    new_record = QuicklookRecord(
        name=target.name, level=level, night=target.night, file=str(path), size=1, mtime_ns=1,
        made="2024-01-16T00:00:00Z", **{"pictures": (picture,), **values},  # type: ignore[arg-type]
    )  # fmt: skip
    last_good.register(products, target.product_dir, new_record)
    record.write_record(product_dir, new_record)
    site.update_pages(products, target)


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        attributes = dict(attrs)
        self.ids.add(attributes.get("id") or "")
        self.targets += [value for name in ("href", "src") if (value := attributes.get(name))]


def parsed(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


@pytest.fixture
def products(tmp_path: Path) -> Path:
    top = tmp_path / "QLP"
    bad = QualityCheck("a check", Verdict.FAIL, 3.0, "m/s", "at most 2", "KEY")
    for name in (A, C):
        for level in ("L0", "L1"):
            add(top, name, level, checks=(bad,), heading=ExposureSummary("star", "Object", 12.5))
    add(top, B, "2D", error="truncated")
    add(top, "KP.20240117.00001.00", "L0", left_out=(SkippedPlot("Guide camera", "no GUIDER_AVG"),))
    add(top, "kpf_20240115_master_bias_autocal-bias", "master")
    return top


def test_every_link_has_a_target(products: Path) -> None:
    site.update_all_pages(products, ["20240115", "20240117"])
    pages = sorted(products.rglob("index.html"))
    assert len(pages) == 1 + 2 + 4 + 1
    for page in pages:
        for target in parsed(page).targets:
            parts = urlsplit(target)
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert file.is_file(), f"{page}: {target}"
            if parts.fragment and parts.fragment in ("L0", "2D", "L1", "L2") and file == page:
                assert parts.fragment in parsed(page).ids


def test_pages_have_one_script_of_their_own_and_nothing_from_elsewhere(products: Path) -> None:
    for page in products.rglob("index.html"):
        text = page.read_text(encoding="utf-8").replace("&#39;", "'")
        assert re.findall(r"<script[^>]*>", text) in (
            [],
            [f'<script src="{os.path.relpath(products, page.parent)}/quicklook.js" defer>'],
        )
        assert "default-src 'none'; img-src 'self'; style-src 'sha256-" in text
        assert "script-src 'self'" in text
        assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_neighbours_link_each_other_in_any_order_of_arrival(products: Path) -> None:
    # B was the last to come, between A and C
    text = {name: (products / "20240115" / name / "index.html").read_text() for name in (A, B, C)}
    assert f'rel="next" href="../{B}/' in text[A]
    assert f'rel="prev" href="../{A}/' in text[B]
    assert f'rel="next" href="../{C}/' in text[B]
    assert f'rel="prev" href="../{B}/' in text[C]
    nights = (products / "20240115/index.html").read_text()
    assert 'rel="next" href="../20240117/index.html"' in nights


def test_text_from_headers_is_escaped(tmp_path: Path) -> None:
    add(tmp_path, A, heading=ExposureSummary(EVIL, EVIL, None, EVIL, EVIL, EVIL), error=EVIL)
    site.update_all_pages(tmp_path, ["20240115"])
    for page in tmp_path.rglob("index.html"):
        assert "<script>" not in page.read_text(encoding="utf-8")
    assert "&lt;script&gt;" in (tmp_path / "20240115" / A / "index.html").read_text()


def test_a_night_shows_notes(products: Path) -> None:
    site.update_all_pages(products, ["20240115"])
    text = (products / "20240115/index.html").read_text(encoding="utf-8")
    assert "FAIL: a check" in text
    assert "2D: truncated" in text
    assert "12.5 s" in text
    later = products / "20240117/KP.20240117.00001.00/index.html"
    assert "no GUIDER_AVG" in later.read_text(encoding="utf-8")


def test_a_missing_or_outdated_page_is_written_again(products: Path) -> None:
    site.update_all_pages(products, ["20240115", "20240117"])
    page = products / "20240115" / A / "index.html"
    os.utime(page, (1, 1))
    site.update_all_pages(products, ["20240115"])
    assert page.stat().st_mtime > 1
    kept = products / "20240117/index.html"
    before = kept.stat().st_mtime_ns
    site.update_all_pages(products, ["20240115", "20240117"])
    assert kept.stat().st_mtime_ns == before


def test_a_night_of_one_file_is_in_the_page_of_all_nights(products: Path) -> None:
    site.update_all_pages(products, ["20240115", "20240117"])
    add(products, "KP.20240118.00001.00", "L0")
    assert site.update_all_pages(products, ["20240118"]) == []
    assert "20240118/index.html" in parsed(products / "index.html").targets


def test_pages_locked_by_another_process_are_named(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "LOCK_SECONDS", 0.0)
    site.update_all_pages(products, ["20240115", "20240117"])
    os.utime(products / "20240115/index.html", (1, 1))
    with locks.acquire_lock("pages", folder=products / "20240115" / site.STATE_DIR):
        assert site.update_all_pages(products, ["20240115", "20240117"]) == ["20240115"]
    assert site.update_all_pages(products, ["20240115"]) == []


def test_a_record_is_read_and_a_damaged_one_is_ignored(products: Path) -> None:
    file = record.record_path(products / "20240115" / A, A, "L1")
    stored = record.read_record(file)
    assert stored is not None
    assert stored.checks[0].verdict is Verdict.FAIL
    assert stored.verdict is Verdict.FAIL
    file.write_text(file.read_text()[:-40])
    assert record.read_record(file) is None


def test_checks_that_are_not_judged_are_folded_away_and_findings_are_not(tmp_path: Path) -> None:
    products = tmp_path / "QLP"
    checks = (
        QualityCheck("passed one", Verdict.PASS, 1, "", "1", "A", limit_source="QC not_junk"),
        QualityCheck("odd orders", Verdict.NOT_JUDGED, 2, "", "at most 0", "B", "RED CAL 31"),
        QualityCheck("for combs", Verdict.NOT_JUDGED, "only for LFC; this is Flat", "", "1", "C"),
        QualityCheck(
            "not written", Verdict.NOT_JUDGED, "DRP v2.8.1 does not write it", "", "1", "D"
        ),
    )
    add(products, A, "L1", checks=checks)
    text = (products / f"20240115/{A}/index.html").read_text(encoding="utf-8")
    assert 'L1 <span class="succeeded">' in text
    unfolded, folded = text.split("flags that passed: 1")
    assert "odd orders" in unfolded and "RED CAL 31" in unfolded
    assert "<summary>checks not judged: 2</summary>" in folded
    assert "only for LFC; this is Flat" in folded and "only for LFC" not in unfolded
    assert "passed one" in folded and "QC not_junk" in folded


def test_a_file_to_which_no_check_applies_has_that_verdict_on_its_pages(tmp_path: Path) -> None:
    products = tmp_path / "QLP"
    check = QualityCheck("c", Verdict.NOT_JUDGED, "only for LFC; this is Flat", "", "1", "C")
    add(products, A, "L1", checks=(check,))
    for page in (f"20240115/{A}/index.html", "20240115/index.html"):
        text = (products / page).read_text(encoding="utf-8")
        assert "– not judged" in text or "– 1 not judged" in text
        assert "✔" not in text


def test_the_page_of_an_observation_is_found(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_QLP_DIR", str(products))
    assert site.find_observation_page(A) == products / "20240115" / A / "index.html"
    assert site.find_observation_page("KP.20240115.00002.00") is None
    with pytest.raises(InvalidInputError):
        site.find_observation_page("../x")


def test_a_masters_page_that_was_never_written_is_found_and_written(products: Path) -> None:
    site.update_all_pages(products, ["20240115"])
    page = products / "20240115/Masters/index.html"
    page.unlink()
    site.update_all_pages(products, ["20240115"])
    assert page.exists()


def test_a_record_that_appears_while_a_page_is_written_is_not_missed(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.update_all_pages(products, ["20240115", "20240117"])
    night = products / "20240115"
    read = pages.observation_records

    def read_then_add(product_dir: Path, obsid: str) -> list[QuicklookRecord]:
        records = read(product_dir, obsid)
        if obsid == C:
            monkeypatch.undo()
            monkeypatch.setattr(site, "NIGHT_INTERVAL_SECONDS", 60.0)
            add(products, A, "L2")
        return records

    monkeypatch.setattr(pages, "observation_records", read_then_add)
    pages.write_night(night)
    assert f"{A}/index.html#L2" not in (night / "index.html").read_text()
    site.update_all_pages(products, ["20240115"])
    assert f"{A}/index.html#L2" in (night / "index.html").read_text()


def test_a_picture_stands_beside_that_of_the_last_good_exposure_of_its_kind(
    tmp_path: Path,
) -> None:
    star = ExposureSummary("HD 1", "Object", 10.0, source="Star", mode="slow.acf")
    warn = QualityCheck("S/N", Verdict.WARN, 1.0, "", "at least 2", "SNR")
    good = dataclasses.replace(warn, verdict=Verdict.PASS, value=3.0)
    old, bad, other = (f"KP.2024011{day}.00001.00" for day in (1, 2, 3))
    add(tmp_path, old, checks=(good,), heading=star)
    add(tmp_path, bad, checks=(warn,), heading=star)
    fast = dataclasses.replace(star, mode="fast.acf")
    add(tmp_path, other, checks=(good,), heading=fast)
    assert "No earlier good one" in (tmp_path / f"20240111/{old}/index.html").read_text()
    add(tmp_path, A, checks=(good,), heading=star)
    add(tmp_path, C, checks=(good,), heading=star)
    text = {name: (tmp_path / f"20240115/{name}/index.html").read_text() for name in (A, C)}
    assert f'src="../../20240111/{old}/L1/{old}_a.jpg"' in text[A]
    assert f'href="../{A}/index.html#L1"' in text[C]
    # One that comes later, in between, is shown on the page that was already there
    add(tmp_path, B, checks=(good,), heading=star)
    assert f'href="../{B}/index.html#L1"' in (tmp_path / f"20240115/{C}/index.html").read_text()
    # One that no longer passes is not
    add(tmp_path, B, checks=(warn,), heading=star)
    assert f'href="../{A}/index.html#L1"' in (tmp_path / f"20240115/{C}/index.html").read_text()


def test_notes_of_a_night_name_findings_and_rows_that_passed_come_last(tmp_path: Path) -> None:
    finding = QualityCheck(
        "odd orders", Verdict.NOT_JUDGED, 2, "", "at most 0", "B", warn=(None, 0)
    )
    good = QualityCheck("S/N", Verdict.PASS, 3.0, "", "at least 2", "SNR", warn=(2, None))
    bad = dataclasses.replace(good, verdict=Verdict.FAIL, value=0.0)
    add(tmp_path, A, checks=(good, finding))
    add(tmp_path, B, checks=(bad,))
    site.update_all_pages(tmp_path, ["20240115"])
    text = (tmp_path / "20240115/index.html").read_text()
    assert "L1: odd orders: 2 (not judged)" in text
    assert text.index(f'<tr id="{B}" data-verdict="FAIL"') < text.index(f'<tr id="{A}"')
    assert "00:00:01" in text and "Start (UT)" in text


def test_a_record_of_an_earlier_version_is_read(products: Path) -> None:
    file = record.record_path(products / "20240115" / A, A, "L1")
    values = json.loads(file.read_text())
    for name in ("start", "source", "mode"):
        del values["heading"][name]
    for name in ("warn", "fail"):
        del values["checks"][0][name]
    file.write_text(json.dumps(values | {"edition": 2}))
    stored = record.read_record(file)
    assert stored and stored.checks[0].warn is None
    site.update_all_pages(products, ["20240115"])
    assert "at most 2" in (products / f"20240115/{A}/index.html").read_text()


def test_a_process_killed_between_a_page_and_its_neighbours_leaves_nothing_out(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "KP.20240115.60000.00"
    write = atomic.write_text

    def write_and_die(path: Path, text: str) -> None:
        write(path, text)
        if path.name == "index.html":
            raise KeyboardInterrupt

    monkeypatch.setattr(atomic, "write_text", write_and_die)
    with pytest.raises(KeyboardInterrupt):
        add(products, late)
    monkeypatch.undo()
    site.update_all_pages(products, ["20240115"])
    assert f'rel="next" href="../{late}/' in (products / f"20240115/{C}/index.html").read_text()
    assert f'rel="prev" href="../{C}/' in (products / f"20240115/{late}/index.html").read_text()


def test_pages_link_to_the_report_of_their_night_once_it_exists(
    products: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_QLP_DIR", str(products))
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "work"))
    site.update_all_pages(products, ["20240115"])
    page = products / f"20240115/{A}/index.html"
    assert "night report" not in page.read_text()
    report = settings.load_settings().runs_dir / "nights/20240115/report.html"
    report.parent.mkdir(parents=True)
    report.write_text("x")
    site.link_report("20240115")
    for path in (page, products / "20240115/index.html"):
        [target] = re.findall(r'<a href="([^"]+)">night report</a>', path.read_text())[:1]
        assert (path.parent / target).resolve() == report.resolve()
    before = page.stat().st_mtime_ns
    site.link_report("20240115")
    site.link_report("20240131")
    assert page.stat().st_mtime_ns == before
