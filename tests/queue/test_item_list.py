import io

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.queue import records


def test_arguments_standard_input_and_a_file_in_this_order(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n\n# a comment\n  y z \n"))
    (tmp_path / "list.txt").write_text("f1\nf2\n")
    items = records.read_items(["a", "-", "b"], tmp_path / "list.txt")
    assert items == ["a", "x", "y z", "b", "f1", "f2"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff"])
def test_a_file_that_can_not_be_read_is_named(tmp_path, content):
    path = tmp_path / "list.txt"
    if content:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"can't read the items in .*list\.txt"):
        records.read_items([], path)
