"""Raw frames made ready: headers fixed, frames in their places, calibrations chosen."""
