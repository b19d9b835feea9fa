"""JupyterLab: its start, and kpfnb's pages on its server."""

PREFIX = "kpfnb/"
"""Where kpfnb's pages are, below the base URL of the server."""
