from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from kpfnb.adap.products import spectra
from tests.adap.fake_pypeit import write_spec1d


def test_both_extractions_are_read_without_bad_pixels(tmp_path: Path) -> None:
    write_spec1d(tmp_path / "spec1d.fits", "b27.fits", objects=2)
    first, second = spectra.read_spectra(tmp_path / "spec1d.fits")
    assert (first.name, first.file, second.snr) == ("SPAT0000-SLIT0175-DET01", "b27.fits", 11.0)
    assert list(first.extractions) == ["optimal", "box"]
    # One pixel is masked, one has no wavelength
    assert len(first.extractions["box"].wavelength) == 98
    assert first.extractions["optimal"].wavelength.min() > 4000


def test_an_object_with_the_box_extraction_only(tmp_path: Path) -> None:
    write_spec1d(tmp_path / "spec1d.fits", "b27.fits", box_only=True)
    result = spectra.read_spectra(tmp_path / "spec1d.fits")
    assert list(result[0].extractions) == ["box"]
    spectra.plot_spectra(result).savefig(tmp_path / "a.png")


def test_the_figure_has_a_titled_panel_each_with_units(tmp_path: Path) -> None:
    write_spec1d(tmp_path / "spec1d.fits", "b27.fits", objects=2)
    picture = spectra.plot_spectra(spectra.read_spectra(tmp_path / "spec1d.fits"))
    picture.savefig(tmp_path / "a.png")
    assert len(picture.axes) == 2
    axes = picture.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("wavelength (Å)", "counts per pixel")
    assert "b27.fits" in axes.get_title(loc="left")
    assert "S/N 10.0" in axes.get_title(loc="left")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["optimal", "optimal ± 1 σ", "box"]
    band = axes.collections[0].get_datalim(axes.transData)
    assert np.allclose([band.y0, band.y1], [45, 55])


def test_the_tooltip_shows_the_object_and_the_pixel(tmp_path: Path) -> None:
    write_spec1d(tmp_path / "spec1d.fits", "b27.fits")
    [spectrum] = spectra.read_spectra(tmp_path / "spec1d.fits")
    shown = spectra.hover_plot_spectra([spectrum])
    [axes] = shown.figure.axes
    best = spectrum.extractions["optimal"]
    messages = shown.tooltips[axes](SimpleNamespace(xdata=best.wavelength[3] + 0.01, ydata=0))
    assert messages.splitlines()[:2] == [f"{spectrum.target} (b27.fits)", spectrum.name]
    values = f"optimal {best.wavelength[3]:.1f} Å: {best.flux[3]:.4g} ± {best.sigma[3]:.2g} counts"
    assert messages.splitlines()[2].startswith(values)
    assert shown.tooltips[axes](SimpleNamespace(xdata=1.0, ydata=0)) == ""


def test_of_many_the_best_are_shown_and_it_says_so(tmp_path: Path) -> None:
    write_spec1d(tmp_path / "spec1d.fits", "b27.fits", objects=5)
    picture = spectra.plot_spectra(spectra.read_spectra(tmp_path / "spec1d.fits"), max_count=2)
    titles = [axes.get_title(loc="left") for axes in picture.axes]
    assert ["SPAT0003" in titles[0], "SPAT0004" in titles[1]] == [True, True]
    assert picture.get_suptitle() == "2 of 5 spectra, those with the best signal"


def test_a_plot_without_spectra_says_so(tmp_path: Path) -> None:
    picture = spectra.plot_spectra([])
    assert [text.get_text() for text in picture.texts] == ["no spectrum was extracted"]
