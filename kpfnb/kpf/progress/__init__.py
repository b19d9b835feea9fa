"""Progress: which products of a night are done, and which are missing."""

# The import registers them
from kpfnb.kpf.progress import suggestions as suggestions
