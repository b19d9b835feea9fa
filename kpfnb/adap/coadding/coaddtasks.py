"""The tasks `coadd1d` and `coadd2d`: the coadds of a configuration or a dataset on the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.adap.coadding.coaddtask import Kind
from kpfnb.adap.coadding.remotecoadd import RemoteCoadd

if TYPE_CHECKING:
    from kpfnb.adap.coadding.coadded import Coadded
    from kpfnb.workqueue.lease import Lease


def spectra(
    item: str,
    lease: Lease,
    *,
    source: str = "data:",
    flux: str = "auto",
    config: str = "",
    custom: str = "",
    silence_minutes: float = 30.0,
    timeout_minutes: float = 0.0,
) -> Coadded:
    """Bring the reductions here, coadd their spectra, and put the coadds on the remote, verified.

    source : the remote with the datasets
    flux : where the sensitivity function comes from; auto as the spectrograph's profile says
    config : a file of PypeIt's parameters, over those of the profile
    custom : folder of files named as the item, `<mask>_<config>[_<date>].collate1d`
    silence_minutes, timeout_minutes : limits of each command; 0 for none
    """
    limits = silence_minutes, timeout_minutes
    return RemoteCoadd(item, Kind.SPECTRA, lease, source, flux, config, custom, *limits).do()


def images(
    item: str,
    lease: Lease,
    *,
    source: str = "data:",
    config: str = "",
    custom: str = "",
    silence_minutes: float = 30.0,
    timeout_minutes: float = 0.0,
) -> Coadded:
    """Bring the reductions here, stack their images, and put the coadds on the remote, verified.

    custom : folder of files named as the item, `<mask>_<config>[_<date>].coadd2d`; all else as of
        `spectra`
    """
    limits = silence_minutes, timeout_minutes
    return RemoteCoadd(item, Kind.IMAGES, lease, source, "auto", config, custom, *limits).do()
