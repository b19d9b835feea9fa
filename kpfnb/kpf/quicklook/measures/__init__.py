"""Measures of a file for the checks that no header keyword answers."""

from __future__ import annotations

from functools import partial

from kpfnb.kpf.quicklook.measures import images, raw, velocities, wavelengths
from kpfnb.kpf.quicklook.measures.measured import NOT_IN_FILE, Measured, MeasureFunction

__all__ = ["MEASURES", "NOT_IN_FILE", "MeasureFunction", "Measured"]

MEASURES: dict[str, MeasureFunction] = {
    "missing_amplifiers_green": partial(raw.count_missing_amplifiers, camera="GREEN"),
    "missing_amplifiers_red": partial(raw.count_missing_amplifiers, camera="RED"),
    "saturated_green": partial(raw.measure_saturated_percent, camera="GREEN"),
    "saturated_red": partial(raw.measure_saturated_percent, camera="RED"),
    "dead_green": partial(raw.measure_zero_percent, camera="GREEN"),
    "dead_red": partial(raw.measure_zero_percent, camera="RED"),
    "telemetry_readings": raw.count_telemetry_readings,
    "guiding_rms": raw.measure_guiding_rms,
    "meter_readings": raw.count_meter_readings,
    "unknown_hk": partial(images.measure_blank_percent, name="CA_HK"),
    "unknown_green": partial(images.measure_blank_percent, name="GREEN_CCD"),
    "unknown_red": partial(images.measure_blank_percent, name="RED_CCD"),
    "unknown_fluxes": images.count_unknown_fluxes,
    "unknown_master": partial(images.measure_unknown_percent, names=images.MASTER_IMAGES),
    "missing_spectra_green": partial(images.count_missing_spectra, camera="GREEN"),
    "missing_spectra_red": partial(images.count_missing_spectra, camera="RED"),
    "science_orders_without_wavelengths": partial(
        wavelengths.count_orders_without_wavelengths, orderlets=wavelengths.SCIENCE
    ),
    "other_orders_without_wavelengths": partial(
        wavelengths.count_orders_without_wavelengths, orderlets=wavelengths.OTHERS
    ),
    "shifted_science_orders": partial(wavelengths.count_shifted_orders, orderlets=("SCI1", "SCI3")),
    "shifted_other_orders": partial(wavelengths.count_shifted_orders, orderlets=wavelengths.OTHERS),
    "rising_science_orders": partial(
        wavelengths.count_rising_orders, orderlets=wavelengths.SCIENCE
    ),
    "rising_other_orders": partial(wavelengths.count_rising_orders, orderlets=wavelengths.OTHERS),
    "missing_ccfs_green": partial(velocities.count_missing_ccfs, camera="GREEN"),
    "missing_ccfs_red": partial(velocities.count_missing_ccfs, camera="RED"),
    "velocity_error_green": partial(velocities.measure_velocity_error, camera="GREEN"),
    "velocity_error_red": partial(velocities.measure_velocity_error, camera="RED"),
    "velocity_disagreement": velocities.measure_velocity_disagreement,
    "empty_orders": velocities.count_empty_orders,
}
"""Name in the file of thresholds to the function."""
