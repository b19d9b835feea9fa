"""What JupyterLab's server shows of kpfnb, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.running import RunningLab

PNG = bytes(range(256)) * 40
PAGE = (
    '<!doctype html><title>kpfnb-page</title><a href="../other/index.html">other</a>'
    '<code class="action" data-open="reprocess?targets=KP.1&amp;targets=b%3C" '
    'data-label="Reprocess &lt;these&gt;">kpfnb run reprocess</code>'
)


@pytest.fixture(scope="module")
def runs(lab: RunningLab) -> Iterator[Path]:
    """The directory of the runs, with a page, a picture, scripts and what must not be shown."""
    runs = lab.work_dir / "runs"
    (runs / "a b/data").mkdir(parents=True)
    (runs / "data").mkdir(exist_ok=True)
    for name, text in {
        "a b/index.html": PAGE,
        "index.html": PAGE,
        "runs.js": "1",
        "data/2024-01.js": "1",
        "a b/data/evil.js": "alert(1)",
        "a b/evil.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "a b/notebook.ipynb": "{}",
        "a b/log.txt": "line <b>",
        "a b/.hidden": "secret",
        "a b/frame.fits": "SIMPLE",
    }.items():
        (runs / name).write_text(text)
    (runs / "a b/plot.png").write_bytes(PNG)
    secret = lab.project / "secret.txt"
    secret.write_text("secret")
    (lab.work_dir / "kpf-index.sqlite").write_text("secret")
    (runs / "a b/out.txt").symlink_to(secret)
    (runs / "a b/outside").symlink_to(lab.project)
    (runs / "a b/inside.png").symlink_to("plot.png")
    (runs / "a b/circle").symlink_to("circle")
    os.mkfifo(runs / "a b/pipe")
    yield runs


@pytest.fixture
def folder(runs: Path) -> str:
    return f"{runs}/a%20b"


def test_a_page_is_served_with_its_actions_as_links(lab: RunningLab, folder: str) -> None:
    answer = lab.get(lab.file_path(Path(folder, "index.html")))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (
        f'<a class="action" href="{lab.home}open/reprocess?targets=KP.1&amp;targets=b%3C">'
        "Reprocess &lt;these&gt;</a>"
    ) in answer.text
    assert '<a href="../other/index.html">' in answer.text


def test_the_page_on_disk_stays_as_it_is(lab: RunningLab, runs: Path, folder: str) -> None:
    lab.get(lab.file_path(Path(folder, "index.html")))
    assert (runs / "a b/index.html").read_text() == PAGE


def test_a_directory_is_its_index_page(lab: RunningLab, folder: str) -> None:
    answer = lab.get(lab.file_path(Path(folder)))
    assert answer.status == 302
    assert answer.headers["Location"] == lab.file_path(Path(folder)) + "/"
    assert b"kpfnb-page" in lab.get(answer.headers["Location"]).body


@pytest.mark.parametrize(
    ("name", "content_type", "is_download"),
    [
        ("plot.png", "image/png", False),
        ("inside.png", "image/png", False),
        ("log.txt", "text/plain; charset=utf-8", False),
        ("data/evil.js", "text/plain; charset=utf-8", False),
        ("evil.svg", "image/svg+xml", False),
        ("notebook.ipynb", "application/octet-stream", True),
        ("frame.fits", "application/octet-stream", True),
    ],
)
def test_files_have_safe_types(
    lab: RunningLab, folder: str, name: str, content_type: str, is_download: bool
) -> None:
    answer = lab.get(lab.file_path(Path(folder, name)))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == ("attachment" if is_download else None)
    assert "default-src 'none'" in answer.policy
    assert "sandbox" in answer.policy


def test_no_script_runs_on_a_page_except_those_of_the_site(
    lab: RunningLab, runs: Path, folder: str
) -> None:
    assert "script-src 'none'" in lab.get(lab.file_path(Path(folder, "index.html"))).policy
    site = f"127.0.0.1:{lab.url.rsplit(':', 1)[1].partition('/')[0]}{lab.file_path(runs)}"
    answer = lab.get(lab.file_path(runs / "index.html"))
    assert f"script-src {site}/runs.js {site}/data/;" in answer.policy
    for script in ("runs.js", "data/2024-01.js"):
        answer = lab.get(lab.file_path(runs / script))
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_the_scorecard_has_its_script(lab: RunningLab, runs: Path) -> None:
    (lab.work_dir / "scorecard.html").write_text(PAGE)
    (lab.work_dir / "scorecard.js").write_text("1")
    site = lab.file_path(lab.work_dir / "scorecard.js")
    answer = lab.get(lab.file_path(lab.work_dir / "scorecard.html"))
    assert f"{site};" in answer.policy.replace("script-src 'none'", "")
    assert lab.get(site).headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_pages_can_be_framed_only_by_this_server(lab: RunningLab, folder: str) -> None:
    answer = lab.get(lab.file_path(Path(folder, "index.html")))
    assert "frame-ancestors 'self'" in answer.policy
    assert "form-action 'none'" in answer.policy
    assert "base-uri 'none'" in answer.policy


@pytest.mark.parametrize(
    "path",
    [
        "{folder}/../../kpf-index.sqlite",
        "{folder}/%2e%2e/%2e%2e/kpf-index.sqlite",
        "{folder}/..%2f..%2fkpf-index.sqlite",
        "{folder}/%252e%252e/%252e%252e/kpf-index.sqlite",
        "{folder}/..%5c..%5ckpf-index.sqlite",
        "{folder}/./index.html",
        "{folder}/index.html%00",
        "{folder}/%00/index.html",
        "{folder}/.hidden",
        "{folder}/out.txt",
        "{folder}/outside/secret.txt",
        "{folder}/outside/work/kpf-index.sqlite",
        "{folder}/pipe",
        "{folder}/circle",
        "{folder}/" + "x" * 5000,
        "{folder}/%ff%fe",
        "{work}/kpf-index.sqlite",
        "{work}/lab",
        "{work}/lab/",
        "{work}/locks",
        "{work}",
        "{project}/secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/",
        "",
    ],
)
def test_nothing_outside_of_the_roots_is_shown(
    lab: RunningLab, runs: Path, folder: str, path: str
) -> None:
    text = path.format(folder=folder, work=lab.work_dir, project=lab.project)
    answer = lab.get(f"{lab.home}files{text}")
    assert answer.status in (400, 403, 404), answer
    assert b"secret" not in answer.body.replace(b"secret.txt", b"")
    assert b"kpfnb-page" not in answer.body


def test_what_is_outside_is_refused_whether_it_exists_or_not(lab: RunningLab, runs: Path) -> None:
    for name in ("secret.txt", "no-such-file"):
        assert lab.get(lab.file_path(lab.project / name)).status == 403


def test_a_missing_page_says_what_is_missing_and_leads_home(lab: RunningLab, folder: str) -> None:
    answer = lab.get(lab.file_path(Path(folder, "%3Cgone%3E.html")))
    assert answer.status == 404
    assert "/a b/&lt;gone&gt;.html does not exist" in answer.text
    assert f'<a href="{lab.home}">Home</a>' in answer.text
    assert "frame-ancestors" not in answer.text
    assert "script-src 'none'" in answer.policy


def test_a_part_of_a_file_can_be_asked_for(lab: RunningLab, folder: str) -> None:
    path = lab.file_path(Path(folder, "plot.png"))
    answer = lab.get(path, Range="bytes=10-19")
    assert (answer.status, answer.body) == (206, PNG[10:20])
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(PNG)}"
    assert lab.get(path, Range="bytes=-5").body == PNG[-5:]
    assert lab.get(path, Range=f"bytes={len(PNG)}-").status == 416
    assert lab.get(path).body == PNG


def test_a_part_of_a_page_is_one_of_the_page_with_its_links(lab: RunningLab, folder: str) -> None:
    path = lab.file_path(Path(folder, "index.html"))
    whole = lab.get(path).body
    assert lab.get(path, Range="bytes=5-").body == whole[5:]


@pytest.mark.parametrize("name", ["plot.png", "index.html"])
def test_an_unchanged_file_is_not_sent_again(lab: RunningLab, folder: str, name: str) -> None:
    path = lab.file_path(Path(folder, name))
    first = lab.get(path)
    again = lab.get(path, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    since = lab.get(path, If_Modified_Since=first.headers["Last-Modified"])
    assert (since.status, since.body) == (304, b"")
    assert lab.get(path, If_None_Match='"other"').status == 200
    assert "no-cache" in first.headers["Cache-Control"]


def test_a_changed_file_is_sent_again(lab: RunningLab, runs: Path, folder: str) -> None:
    path = lab.file_path(Path(folder, "changes.txt"))
    (runs / "a b/changes.txt").write_text("1")
    etag = lab.get(path).headers["ETag"]
    (runs / "a b/changes.txt").write_text("2")
    assert lab.get(path, If_None_Match=etag).body == b"2"


@pytest.mark.parametrize("name", ["plot.png", "index.html"])
def test_only_the_headers_can_be_asked_for(lab: RunningLab, folder: str, name: str) -> None:
    path = lab.file_path(Path(folder, name))
    answer = lab.get(path, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(lab.get(path).body))


def test_an_observation_without_page_offers_to_make_it(lab: RunningLab) -> None:
    answer = lab.get(f"{lab.home}observation/KP.20240115.03617.02")
    assert answer.status == 404
    assert "no quicklook page" in answer.text
    assert (
        f'<a class="action" href="{lab.home}open/quicklook?start=20240115.03617.02&amp;'
        'end=20240115.03617.02">Make quicklook</a>'
    ) in answer.text


@pytest.mark.parametrize("name", ["KP.1", "..%2f..%2fetc%2fpasswd", "%00", "%3Cscript%3E"])
def test_what_is_no_observation_is_not_found(lab: RunningLab, name: str) -> None:
    answer = lab.get(f"{lab.home}observation/{name}")
    assert answer.status == 404
    assert "<script>" not in answer.text
    assert "data-open" not in answer.text


def test_the_page_of_an_error_has_the_style_that_its_policy_allows(
    lab: RunningLab, runs: Path
) -> None:
    page = lab.get(lab.file_path(runs / "nothing.html")).text
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert style and f"'sha256-{digest}'" in html.unescape(page)
