from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.pypeit import log

# As PypeIt 2.0.1 writes it
LOG = """\
    INFO | 2026-11-27 21:00:07 | pypeit.py:__init__:99 | Compiling metadata
    INFO | 2026-11-27 21:00:08 | exposure.py:reduce_exposure:406 | Reducing target Feige 66
Combining frames:
b24.fits.gz

    INFO | 2026-11-27 21:00:08 | exposure.py:reduce_exposure:417 | Detectors to work on: [1]
    INFO | 2026-11-27 21:00:08 | exposure.py:reduce_exposure:422 | Calibrating detector 1
    INFO | 2026-11-27 21:00:08 | calibrations.py:get_bias:569 | Preparing a Bias calibration frame.
    INFO | 2026-11-27 21:00:09 | rawimage.py:process:564 | Performing basic image processing on b21.
 WARNING | 2026-11-27 21:00:09 | calibrations.py:get_dark:606 | No raw dark frames found
    INFO | 2026-11-27 21:00:17 | wavetilts.py:run:748 | Computing tilts for slit/order 74 (1/1)
    INFO | 2026-11-27 21:00:57 | pypeit_steps.py:extract:712 | Extraction begins for b24 on det=1
    INFO | 2026-11-27 21:01:19 | exposure.py:reduce:406 | Reducing target TARG02
    INFO | 2026-11-27 21:01:41 | pypeit_steps.py:find:381 | Object finding begins for b27 on det=2
    INFO | 2026-11-27 21:02:00 | pypeit.py:main:1 | Execution time: 1m 2.00s
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (0, "starting"),
        (1, "reading the headers"),
        (8, "Feige 66, detector 1: bias"),
        (10, "Feige 66, detector 1: bias"),
        (11, "Feige 66, detector 1: tilts"),
        (12, "Feige 66, detector 1: extraction"),
        (14, "TARG02, detector 2: finding objects"),
        (15, "TARG02, detector 2: done"),
    ],
)
def test_it_shows_target_detector_and_part(lines: int, expected: str) -> None:
    assert log.describe_tail(LOG.splitlines()[:lines]) == expected


def test_lines_of_an_older_pypeit_and_lines_without_a_step() -> None:
    old = "[INFO]    :: flatfield.py 12 fit() - "
    assert log.describe_tail([f"{old}Computing tilts for slit 1"]) == "tilts"
    assert log.describe_tail([f"{old}DONE  1.558  9379  1.00"]) == "DONE  1.558  9379  1.00"


def test_without_a_log_it_starts(tmp_path: Path) -> None:
    assert log.current_step(tmp_path / "A.log") == "starting"
