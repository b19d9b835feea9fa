from __future__ import annotations

from pathlib import Path

from kpfnb.adap.coadd import collation

LOG = """\
    INFO | 2026-11-26 20:12:11 | collate_1d.py:main:810 | Creating /a b/out/J12_X.fits from the following sources:
    INFO | 2026-11-26 20:12:11 | collate_1d.py:main:812 |     /a b/spec1d_1.fits: SPAT0076-SLIT0074-DET01 (SERENDIP)
    INFO | 2026-11-26 20:12:11 | collate_1d.py:main:812 |     /a b/spec1d_2.fits: SPAT0077-SLIT0074-DET01 (None)
 WARNING | 2026-11-26 20:12:11 | collate_1d.py:main:830 | Traceback (most recent call last):
  File "collate_1d.py", line 830, in main
ValueError: no good pixel
 WARNING | 2026-11-26 20:12:11 | collate_1d.py:main:831 | Failed to coadd /a b/out/J12_X.fits, skipping
    INFO | 2026-11-26 20:12:11 | collate_1d.py:main:810 | Creating /a b/out/J13_X.fits from the following sources:
    INFO | 2026-11-26 20:12:11 | collate_1d.py:main:812 |     /a b/spec1d_2.fits: OBJ0500-MSC01-ORDER0080 (None)
 WARNING | 2026-11-26 20:12:11 | collate_1d.py:flux:300 | Failed to flux calibrate /a b/spec1d_3.fits, skipping it.
"""  # noqa: E501


def test_matches_failures_and_what_was_not_used(tmp_path: Path) -> None:
    (tmp_path / "collate.log").write_text(LOG)
    log = collation.read_collate_log(tmp_path / "collate.log")
    first, second = log.matches
    assert (first.file, first.mask_name) == ("J12_X.fits", "SERENDIP")
    assert first.members == (
        ("spec1d_1.fits", "SPAT0076-SLIT0074-DET01"),
        ("spec1d_2.fits", "SPAT0077-SLIT0074-DET01"),
    )
    assert (len(second.members), second.mask_name) == (1, "")
    assert log.failures == {"J12_X.fits": "ValueError: no good pixel"}
    assert list(log.dropped) == ["spec1d_3.fits"]


def test_without_a_log_there_is_no_match(tmp_path: Path) -> None:
    assert collation.read_collate_log(tmp_path / "none.log") == collation.CollateLog(tmp_path)
