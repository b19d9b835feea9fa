"""Files as they arrive: seen, settled, whole, handed to whoever wants them, and remembered.

A watcher is a service. `events` tells what changes, `settling` waits until it is quiet, `scanning`
finds what was missed, `memory` knows what was handled, `watcher` puts them together, and `status`
and `overview` tell people how it goes. What is done with the files is a `kind`.
"""
