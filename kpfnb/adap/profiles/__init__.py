"""Profiles of spectrographs: how their frames are grouped and reduced."""
