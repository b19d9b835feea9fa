"""The order of the cards in the primary header of a real L0, and the header made of given values.

FITSAssemble writes its own cards first, then the snapshots of the program keyheader (at the
beginning, the middle and the end of the exposure), then the names of the files, then the cards of
the detector systems (seen in the real L1 files of DRP v2.8; an L1 keeps the cards of its L0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from kpfnb.kpf.files.keywords import find_keyword

if TYPE_CHECKING:
    from astropy.io import fits

HeaderValue = str | int | float | bool
HeaderCard = tuple[str, HeaderValue, str]

ASSEMBLY = "FAVER TIMESYS CAMERAS GREEN RED CA_HK EXPMETER GUIDE DATE-MID"

EXPOSURE_BEGIN = """
DATE-OBS UT DATE-BEG EXPTIME PROGNAME OBJECT INSTRUME DATALVL OBSERVAT OBSMODE HEADVER KPFERA
CURRINST TELESCOP TARGNAME DCSNAME TARGRA TARGDEC TARGEPOC TARGEQUI TARGPLAX TARGPMDC TARGPMRA
TARGRADV TARGWAVE TARGFRAM FULLTARG GAIAID 2MASSID GAIAMAG 2MASSMAG TARGTEFF RA DEC EQUINOX MJD-OBS
PMFM LFCMODE AMPON LFCFO LFCFREF LFCFR LFCFRREF LFCCEOFR LFCCWFRF LFCCWFRQ LFCCWFER LFCCWMDN
LFCBIACT LFCBISET OCTAGON CALMON HATCH FIUMODE FOLDNAM FOLDVAL ADCTRACK HCLSN CAREQ EXPSCREQ FFREQ
SICALREQ VACSCREQ VACSKREQ THDAYON THDAYTON THAUON THAUTON UDAYON UDAYTON UAUON UAUTON PTHDAY
PTHDAYT PTHAU PTHAUT PUDAY PUDAYT PUAU PUAUT PLFC PLFCT PETAL PETALT PBRB PBRBT PSOL PSOLT
"""
EXPOSURE_MIDDLE = """
SRCSHTTR TIMSHTTR OTIMSHTR SCISEL SKYSEL FFSHTR SCRAMSHT SIMCALSH CAHKSHT SOLSCISH SOLCALSH CALSSSHT
AOHATCH FIUHTCH TRIGTARG IMTYPE CAL-OBJ SKY-OBJ SCI-OBJ CAFBS EXPSCIFB EXPSKYFB FFFB FICALFBS
SICALFB VACSCFB VACSKFB SCIFB SKYFB CURRBASE PIXTARG GRACFMD5 GRACFFLN RDACFMD5 RDACFFLN AGITSTA
THARGD UNEGD THARDAY UNEDAY OCTBB FFSOURCE SCIFBILL SKYFBILL HKFBILL EXPFBILL SSCALFW SIMCALFW FFFW
OCTAGON PRES RELH PONAME PONAME1 DRA DDEC RABASE RAOFF DECBASE DECOFF HA AIRMASS PARANG PARANTEL EL
AZ LST AXESTAT TRACKING DTRACK GUIDING AUTACTIV AUTFWHM AUTXCENT AUTYCENT SECFOCUS TELFOCUS TUBEFLEX
TUBETEMP PRIMTEMP SECMTEMP DIFFPTDW DIFFSTDW VIGNETTE STVIGNE SBVIGNE SBELEV STELEV SECSTST SECTHETX
SECTHETY TERTSTST TERTDEST TERTPOSN DOMEPOSN DOMESTST CALOCAL CELOCAL FOCALSTN INSTANGL POXPOS
POYPOS ROTCALAN ROTZERO GUIDWAVE TIMEERR ETAV1C1T ETAV1C2T ETAV1C3T ETAV1C4T ETAV2C3T ETAV1C1S
ETAV1C2S ETAV1C3S ETAV1C4S ETAV2C3S TSHKEXP WSHKEXP TSHKSHT WSHKSHT TSTMSHT WSTMSHT
"""
EXPOSURE_END = """
DATE DATE-END ELAPSED WAVEBNS TOTCNTS TOTCORR TEHKEXP WEHKEXP TEHKSHT WEHKSHT TETMSHT WETMSHT
USTHRSH THRSHLD THRSBIN
"""
FILES = "OUTDIR OFNAME GREENFN REDFN CA_HKFN FRAMENO"

DETECTORS = """
GRCAMD_V GREXPTI GRFILENA GRFIRMWA GRGAIN02 GRGAIN03 GRHDRSHI GROFFSET GRSHUTT GRTM_ZO GRCDS0 GRCDS1
GRCDS2 GRCDS3 GRDATAS1 GRDATAS2 GRDATE GROBSERV GRPROGNA GRACF GRACFFI GRACFMD5 GRFRAME GRDATE-B
GRDATE-E GRELAPS RDCAMD_V RDEXPTI RDFILENA RDFIRMWA RDHDRSHI RDSHUTT RDTM_ZO RDCDS0 RDCDS1 RDCDS2
RDCDS3 RDTEST RDDATE RDOBSERV RDPROGNA RDACF RDACFFI RDACFMD5 RDFRAME RDDATE-B RDDATE-E RDELAPS
EMDATE-B EMDATE-E GCFPS GCGAIN
"""
"""The place of those of the exposure meter and the guide camera is not known: the real files that
could be read used neither."""

SIMULATION = (
    "SIMULATE SIMSEED SIMFAST SIMKIND SIMJUNK SIMFAULT SIMDRP SIMRV SIMBCV SIMDRFTG SIMDRFTR"
)

_SIMULATION_COMMENTS = {
    "SIMULATE": "SIMULATED by kpfnb: never for science",
    "SIMSEED": "seed of the simulation",
    "SIMFAST": "the night was asked for in the fast read mode",
    "SIMKIND": "kind of exposure that was simulated",
    "SIMJUNK": "simulated as a failed exposure",
    "SIMFAULT": "fault that was simulated",
    "SIMDRP": "version that the stand-in DRP shall simulate",
    "SIMRV": "[km/s] truth: barycentric radial velocity",
    "SIMBCV": "[km/s] truth: barycentric correction",
    "SIMDRFTG": "[km/s] truth: drift of Green",
    "SIMDRFTR": "[km/s] truth: drift of Red",
}
_ERAS = (
    (datetime(2022, 11, 9, tzinfo=UTC), 1.0),
    (datetime(2024, 2, 3, tzinfo=UTC), 1.5),
    (datetime(2024, 2, 23, 12, tzinfo=UTC), 2.0),
    (datetime(2024, 11, 1, 12, tzinfo=UTC), 2.5),
    (datetime(2025, 1, 1, 12, tzinfo=UTC), 2.6),
    (datetime(2025, 3, 28, 23, tzinfo=UTC), 2.7),
    (datetime(2025, 4, 23, tzinfo=UTC), 3.0),
    (datetime(2025, 8, 29, 20, 30, tzinfo=UTC), 3.5),
    (datetime(2025, 10, 30, tzinfo=UTC), 4.0),
)
"""The start of each era of KPF, from the documentation of its pipeline."""

_RULE, _BROKEN_RULE = "-" * 72, ("- " * 36).rstrip()


def arrange_header(
    values: Mapping[str, HeaderValue], begin: datetime, end: datetime
) -> fits.Header:
    """The header with values at the places of a real one; keywords without a value are left out.

    Keywords that stand twice in real headers (OCTAGON, GRACFMD5, RDACFMD5) do so here.
    """
    from astropy.io import fits

    cards = [*_cards(SIMULATION, values), *_cards(ASSEMBLY, values)]
    middle = begin + (end - begin) / 2
    for section, keywords, time in (
        ("ExposureBegin", EXPOSURE_BEGIN, begin),
        ("ExposureMiddle", EXPOSURE_MIDDLE, middle),
        ("ExposureEnd", EXPOSURE_END, end),
    ):
        cards += [*_section_heading(section, time), *_cards(keywords, values)]
        if section == "ExposureBegin":
            cards += _section_heading("heartbeats", time)
        cards += _comments("", _RULE, "End of keyheader output", _RULE)
    cards += [*_cards(FILES, values), *_cards(DETECTORS, values)]
    cards += _comments("GR: from the header of the green detector", "RD: from that of the red one")
    header = fits.Header()
    # At the end, or else comments are collected behind the keywords
    header.extend(cards, end=True)
    return header


@cache
def comment_for(keyword: str) -> str:
    """The comment of a card: unit and description from the catalogue of real keywords."""
    if keyword in _SIMULATION_COMMENTS:
        return _SIMULATION_COMMENTS[keyword]
    known = find_keyword(keyword)
    if known is None:
        return ""
    return " ".join(filter(None, [f"[{known.unit}]" if known.unit else "", known.description]))


def make_card(keyword: str, value: HeaderValue) -> HeaderCard:
    """A card with the comment of the catalogue, as long as the card allows."""
    # Quotes are doubled in a card
    width = max(20, len(value) + value.count("'") + 2) if isinstance(value, str) else 20
    return keyword, value, comment_for(keyword)[: max(0, 80 - 10 - width - 3)].rstrip()


def format_time(time: datetime) -> str:
    """A time in KPF's format, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def format_hawaii_time(time: datetime | None) -> str:
    """A time of a lamp as text in Hawaii Standard Time; None is KPF's value of `never`."""
    if time is None:
        return "19691231T14:00:00 HST"
    return f"{time - timedelta(hours=10):%Y%m%dT%H:%M:%S} HST"


def format_sexagesimal(value: float, *, sign: bool = False) -> str:
    """Hours or degrees as 12:34:56.78; declinations and angles carry a sign."""
    hundredths = round(abs(value) * 360_000)
    minutes, rest = divmod(hundredths, 6000)
    mark = ("-" if value < 0 else "+") if sign else ""
    return f"{mark}{minutes // 60:02d}:{minutes % 60:02d}:{rest / 100:05.2f}"


def kpf_era(time: datetime) -> float:
    """The era of KPF at a time; 0.5 before first light."""
    return max((era for start, era in _ERAS if start <= time), default=0.5)


def _cards(keywords: str, values: Mapping[str, HeaderValue]) -> Iterator[HeaderCard]:
    return (make_card(name, values[name]) for name in keywords.split() if name in values)


def _section_heading(section: str, time: datetime) -> list[HeaderCard]:
    return _comments(
        _BROKEN_RULE,
        f"keyheader section [{section}]",
        f"Snapshot timestamp: {format_time(time)}Z",
        _BROKEN_RULE,
        "",
    )


def _comments(*lines: str) -> list[HeaderCard]:
    return [("COMMENT", line, "") for line in lines]
