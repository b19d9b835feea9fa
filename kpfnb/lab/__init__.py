"""JupyterLab: its start, and kpfnb's pages on its server."""
