"""What a reduction on disk consists of."""
