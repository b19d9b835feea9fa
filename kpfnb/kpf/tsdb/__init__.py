"""The time-series database (TSDB): the keywords of every observation, from headers and tables.

    from kpfnb.kpf import tsdb
    tsdb.query(["CCFRV", "CCFERV", "AIRMASS"], "20240101", "20240131", source="Star")

`kpfnb.kpf.tsdb.schema` explains the tables.
"""

from kpfnb.kpf.tsdb.keyword_query import query

__all__ = ["query"]
