"""Delivery to the Keck Observatory Archive (KOA): reduced and coadded files, verified, with tables.

A delivery is a folder, here or on a remote, that holds `mask/config/...` as the reductions have it
with `complete` and `reduce` left out, two IPAC tables of what is in it, a README, a report,
`SHA256SUMS`, and `manifest/`: for each dataset what was to be delivered and whether it is.

The manifests are the truth. One is written before the first file of its dataset is copied; it says
`delivered` only after each file was verified at its place against its SHA-256. The tables are made
of those that are delivered, so that they can be made anew at any time and are always the same.
"""
