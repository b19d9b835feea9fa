"""Is a night good? PASS, WARN or FAIL in three levels, by rules in a YAML file.

Not to be confused with `kpfnb.runs.classification`, which tells how a run of a notebook ended.
"""
