"""Delivery to the Keck Observatory Archive (KOA): reduced and coadded files, verified, with tables.

A delivery is a folder, on this machine or a remote, that holds `mask/config/...` as the reductions
do, without the levels `complete` and `reduce`; two IPAC tables of its content; a README, a report
and `SHA256SUMS`; and `manifest/`: for each dataset, what was to be delivered and whether it is.

The manifests are authoritative. A manifest is written before the first file of its dataset is
copied; it says `delivered` only after each file was verified at its destination by its SHA-256.
The tables are made from the manifests of what is delivered, so they can be made again at any time
and are always the same.
"""
