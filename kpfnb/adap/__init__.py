"""ADAP: bulk reductions of spectra with PypeIt.

It replaces the scripts of a project in NASA's Astrophysics Data Analysis Program (ADAP), and
delivers its products to the Keck Observatory Archive (KOA).
"""
