import pytest
import yaml

from kpfnb.adap.profiles import spectrograph
from kpfnb.core.errors import InvalidInputError, InvalidParameterError


@pytest.mark.parametrize("name", spectrograph.list_profiles())
def test_every_profile_here_is_named_after_its_spectrograph(name):
    result = spectrograph.load_profile(name)
    assert result.spectrograph == name
    assert f"spectrograph = {name}" in result.parameters


def test_deimos_groups_by_mask_and_kast_does_not():
    deimos, kast = (
        spectrograph.load_profile("keck_deimos"),
        spectrograph.load_profile("shane_kast_blue"),
    )
    assert deimos.group_by == ("decker", "dispname", "dispangle", "filter1")
    assert deimos.slit_masks and "bias" in deimos.dropped
    assert kast.group_by == ("dispname", "dichroic")
    assert not kast.slit_masks and "bias" not in kast.dropped


def test_another_spectrograph_is_another_file(tmp_path):
    text = (spectrograph.PROFILES_FOLDER / "shane_kast_blue.yml").read_text()
    path = tmp_path / "mine.yml"
    path.write_text(text.replace("shane_kast_blue", "shane_kast_red"))
    assert spectrograph.load_profile(path).spectrograph == "shane_kast_red"
    assert spectrograph.load_profile(str(path)).spectrograph == "shane_kast_red"


def test_the_error_of_an_unknown_name_lists_the_profiles():
    with pytest.raises(InvalidParameterError, match="no profile 'keck_deimo'") as caught:
        spectrograph.load_profile("keck_deimo")
    assert "keck_deimos" in caught.value.hint


def _changed(path, change):
    data = yaml.safe_load((spectrograph.PROFILES_FOLDER / "keck_deimos.yml").read_text())
    change(data)
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(colour="red"), "colour: unknown key"),
        (lambda d: d.pop("frames"), "frames: Field required"),
        (lambda d: d["names"]["mask"].append("nothing"), "names: 'nothing' is not in header"),
        (lambda d: d["header"].pop("mjd"), "header: 'mjd' is not in header"),
        (lambda d: d["header"].update(ra={}), r"header\.ra: write one of"),
        (lambda d: d["frames"][0].update(types=["sience"]), r"frames\.0\.types: 'sience'"),
        (lambda d: d["frames"][2]["when"].update(nix=["a"]), "frames: 'nix' is not in header"),
        (lambda d: d["trimming"][0].update(most=0), r"trimming\.0\.most"),
        (lambda d: d["lamps"].update(lit="on"), "lamps: write list"),
    ],
)
def test_a_wrong_file_is_rejected_with_the_place(tmp_path, change, place):
    path = _changed(tmp_path / "wrong.yml", change)
    with pytest.raises(InvalidInputError, match=place) as caught:
        spectrograph.load_profile(path)
    assert str(path) in caught.value.what


@pytest.mark.parametrize(("text", "message"), [("a: [", "line"), ("- a", "is a mapping")])
def test_a_file_that_is_no_profile(tmp_path, text, message):
    path = tmp_path / "wrong.yml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        spectrograph.load_profile(path)
    with pytest.raises(InvalidInputError, match="can't be read"):
        spectrograph.load_profile(tmp_path / "gone.yml")
