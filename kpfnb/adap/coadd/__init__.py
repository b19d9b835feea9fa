"""Spectra calibrated and coadded, images stacked."""
