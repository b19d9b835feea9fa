"""Master calibrations of nights, made by the data reduction pipeline (DRP)."""
