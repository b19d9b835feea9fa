"""Coadds of reduced exposures: spectra calibrated and coadded, images stacked."""
