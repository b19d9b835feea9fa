"""Make the master calibrations of nights."""
