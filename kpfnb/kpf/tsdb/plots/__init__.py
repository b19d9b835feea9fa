"""Pictures of the time-series database: panels as data (`panels/*.yml`), read, checked and drawn.

`panel` tells what a panel is; a user adds one as YAML, without code (`definitions`).
"""
