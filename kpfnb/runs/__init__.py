"""Records of runs.

`<runs_dir>/<notebook>/<UTC time>-<id>/` holds `run.json`, `result.json`, `notebook.ipynb`,
`report.html` and `log.txt`. The run of a pipeline has the same form.
"""

from kpfnb.runs.record import (
    LOG_NAME,
    RECORD_NAME,
    RESULT_NAME,
    TIME_FORMAT,
    RunRecord,
    discard_run,
    finish_run,
    mark_crashed,
    read_record,
    start_heartbeat,
    start_run,
    write_record,
    write_result,
)
from kpfnb.runs.store import (
    current_record,
    current_records,
    find_run,
    list_directories,
    list_runs,
    start_time,
)

__all__ = [
    "LOG_NAME",
    "RECORD_NAME",
    "RESULT_NAME",
    "TIME_FORMAT",
    "RunRecord",
    "current_record",
    "current_records",
    "discard_run",
    "find_run",
    "finish_run",
    "list_directories",
    "list_runs",
    "mark_crashed",
    "read_record",
    "start_heartbeat",
    "start_run",
    "start_time",
    "write_record",
    "write_result",
]
