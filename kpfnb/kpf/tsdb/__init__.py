"""The time-series database: what the headers and tables of every observation say, by keyword.

    from kpfnb.kpf import tsdb
    tsdb.query(["CCFRV", "CCFERV", "AIRMASS"], "20240101", "20240131", source="Star")

`layout` tells how it is laid out and why.
"""

from kpfnb.kpf.tsdb.keyword_query import query

__all__ = ["query"]
