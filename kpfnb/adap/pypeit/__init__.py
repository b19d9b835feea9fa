"""PypeIt itself: found, fed with files, run under supervision, and its logs read."""
