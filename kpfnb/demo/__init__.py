"""A SIMULATED KPF night and a stand-in DRP: for demonstrations and tests, never for science."""
