"""PypeIt bulk reductions."""
