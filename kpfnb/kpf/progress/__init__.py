"""Progress: which products of a night are done, and which are missing."""
