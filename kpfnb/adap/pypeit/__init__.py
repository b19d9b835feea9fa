"""PypeIt itself: its installation, input files and logs, and its commands under supervision."""
