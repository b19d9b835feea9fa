"""Ingest observations into the KPF pipeline's own time-series database, and print it as JSON.

Runs under the pipeline's interpreter, in its checkout, and imports nothing of kpfnb:

    python pipeline_tsdb.py DATABASE.sqlite L0_FILE ...

An L0 file may be absent: its path says where the other levels are. `keywords` has level, extension
and type of each keyword; `observations` the values by ObsID and keyword; `printed` the log.
"""

import argparse
import contextlib
import io
import json
import math
import sqlite3
import sys
from pathlib import Path


def read_tables(path, tables):
    """The values of all tables, by ObsID and keyword."""
    observations = {}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                values = dict(row)
                observations.setdefault(values.pop("ObsID"), {}).update(values)
    return observations


def simplify(value):
    """A value that JSON knows; NaN is null."""
    return None if isinstance(value, float) and math.isnan(value) else value


def main():
    """Ingest the files of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    # The pipeline prints to stdout
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        from database.modules.utils.tsdb import TSDB

        database = TSDB(backend="sqlite", db_path=options.database)
        database.ingest_batch_observations(options.files, force_ingest=True)
    data_tables = [name for name in database.tables if name != database.prefix + "metadata"]
    observations = read_tables(options.database, data_tables)
    keywords = {
        keyword: [
            database.tables[table]["file_level"],
            database.tables[table]["extension"],
            database.kw_to_dtype[keyword],
        ]
        for keyword, table in database.kw_to_table.items()
        if database.tables[table]["extension"]
    }
    result = {
        "keywords": keywords,
        "observations": {
            obsid: {keyword: simplify(value) for keyword, value in values.items()}
            for obsid, values in observations.items()
        },
        "printed": printed.getvalue().splitlines(),
    }
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
