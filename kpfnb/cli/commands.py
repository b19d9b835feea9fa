"""The commands of `kpfnb`: their sections in the help, their modules, and one line on each.

The table lets `kpfnb --help` answer without importing the commands, and a command be imported
only when it is called. A test compares the lines with the docstrings of the commands.
"""

from __future__ import annotations

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "KPF": {
        "progress": ("drp", "Show how far the processing of a night or a range of nights is."),
        "touch": (
            "drp",
            "Touch files slowly, so that a watching DRP processes them again; none is created.",
        ),
        "reprocess": (
            "drp",
            "Run the DRP over all observations that are not done, and check their products.",
        ),
        "night": (
            "night",
            "Process a whole night: DRP products, quicklook, database rows, and its report.",
        ),
        "quicklook": ("night", "Make plots, checks and pages of the files in a time range."),
        "ingest": (
            "tsdb",
            "Ingest new and changed files of a range of nights into the time-series database.",
        ),
        "tsdb": ("tsdb", "The time-series database: keywords of every observation."),
        "timeseries": ("tsdb", "Render the pages of the time series with their standard panels."),
        "star": ("star", "Write the page of a star: its radial velocities over all nights."),
        "verdict": (
            "night",
            "Assess a night by rules: PASS (exit 0), WARN (3), FAIL (1), no files (5); write its page.",
        ),
        "report": (
            "night",
            "Write the report of a night: observations, products, verdict, plots, velocities, problems.",
        ),
        "watch": (
            "watch",
            "Handle files as they arrive; SIGTERM or Ctrl-C finishes the current files and stops.",
        ),
    },
    "PypeIt": {
        "prepare": (
            "prepare",
            "Prepare raw frames for PypeIt: sort them, fix headers, trim setups.",
        ),
        "reduce": ("reduce", "Reduce one dataset with PypeIt and evaluate its products."),
        "run-pypeit": (
            "reduce",
            "Run PypeIt on every .pypeit file below a folder, several at a time.",
        ),
        "scorecard": ("reduce", "How good reductions are: frame by frame, slit by slit."),
        "coadd": (
            "reduce",
            "Calibrate and coadd the spectra of each object, and stack the images of each target.",
        ),
        "archive": (
            "archive",
            "Deliver reductions to the Keck Observatory Archive, and check what was delivered.",
        ),
        "dataset": ("archive", "Work with the datasets on the remote."),
        "backup": ("archive", "Back up the reductions to a second remote."),
    },
    "Notebooks, queues and services": {
        "lab": (
            "lab",
            "Open JupyterLab at kpfnb's home page, with your own working copies of the notebooks.",
        ),
        "run": (
            "runs",
            "Run a notebook without a browser; the executed notebook, report, result and log are stored.",
        ),
        "runs": ("runs", "List runs, newest first, or show one of them."),
        "pipeline": ("pipelines", "Run, list and show pipelines of notebooks."),
        "queue": ("queue_admin", "Load, watch and correct work queues."),
        "worker": (
            "queue",
            "Work on a queue: claim its items one by one, do the task with each, and report.",
        ),
        "services": ("services", "Start, stop and show the services of this work directory."),
        "doctor": ("doctor", "Show each setting and where it comes from, and check what it names."),
        "demo": ("demo", "Data for demonstrations: SIMULATED, and three real KPF files."),
    },
}
"""Title of the section -> name of the command -> its module below `kpfnb.cli`, its help line."""
