from __future__ import annotations

from kpfnb.kpf.quicklook.instrument_plots import orderlets
from tests.kpf.quicklook.measures.test_wavelengths import make_content


def test_a_camera_is_complete_with_all_spectra_of_one_shape() -> None:
    content = make_content()
    assert orderlets.list_cameras(content) == ["GREEN", "RED"]
    content.images["RED_CAL_WAVE"] = content.images["RED_CAL_WAVE"][:2]
    assert orderlets.list_cameras(content) == ["GREEN"]
    del content.images["GREEN_SKY_VAR"]
    assert orderlets.list_cameras(content) == []
