"""Notebooks as tasks: parameters, the session of a running notebook, its form and its runner."""
