"""Records of runs.

`<runs_dir>/<notebook>/<UTC time>-<id>/` holds `run.json`, `result.json`, `notebook.ipynb`,
`report.html` and `log.txt`. A pipeline's own run is kept in the same way.
"""

from kpfnb.runs.finding import directories, find, listing, look, look_all, started
from kpfnb.runs.recording import (
    FILE_NAME,
    LOG_NAME,
    RESULT_NAME,
    TIME_FORMAT,
    Record,
    begin,
    discard,
    finish,
    keep_alive,
    read,
    settle,
    write,
    write_result,
)

__all__ = [
    "FILE_NAME",
    "LOG_NAME",
    "RESULT_NAME",
    "TIME_FORMAT",
    "Record",
    "begin",
    "directories",
    "discard",
    "find",
    "finish",
    "keep_alive",
    "listing",
    "look",
    "look_all",
    "read",
    "settle",
    "started",
    "write",
    "write_result",
]
