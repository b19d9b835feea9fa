"""A SIMULATED KPF night and a stand-in for KPF's data reduction pipeline (DRP).

For demonstrations and tests, never for science.
"""
