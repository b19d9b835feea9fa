"""Watchers: services that handle files as they arrive.

`events` reports changes, `arrivals` waits until a file is quiet and complete, `tree_scanner` finds
what the events missed, `state_store` records what was handled, `watcher` connects them, and
`status` and `overview` report to people. A `handler` processes the files; `registry` names all.
"""

# The import registers them
from kpfnb.kpf.watch import suggestions as suggestions
