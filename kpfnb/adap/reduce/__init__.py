"""Datasets reduced by PypeIt, alone or off a queue, and judged by their products."""
