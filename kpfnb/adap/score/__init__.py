"""Scorecards: how good the reductions are, frame by frame and slit by slit."""
