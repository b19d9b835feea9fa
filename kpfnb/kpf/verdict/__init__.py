"""The verdict of a night: PASS, WARN or FAIL in three levels, by rules in a YAML file.

Not to be confused with `kpfnb.runs.classification`, which says how the run of a notebook ended.
"""
