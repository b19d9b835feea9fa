"""Run the data reduction pipeline (DRP) again over observations."""
