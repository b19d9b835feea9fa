"""One notebook: its parameters, its session, and the runner that executes it."""
