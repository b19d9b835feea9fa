import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.obsid import read_first_column


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_first_column_with_any_quotes_and_line_endings(tmp_path, ending):
    rows = [
        '"observation_id","x"',
        '"KP.1.fits",2',
        " KP.2 , 3",
        "",
        "KP.3",
        '"KP.4,unbalanced',
        "5",
    ]
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ending.join(rows).encode() + b"\xff")
    names = ["observation_id", "KP.1.fits", "KP.2", "", "KP.3", "KP.4", "5\ufffd"]
    assert read_first_column(path) == names


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match=r"nowhere\.csv: No such file"):
        read_first_column(tmp_path / "nowhere.csv")
