import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.queue.records import check_item, check_name


@pytest.mark.parametrize("name", ["", "a b", "{a}", "x" * 65, "-a", "a/b"])
def test_invalid_names_of_queues(name):
    with pytest.raises(InvalidParameterError, match="not a valid name"):
        check_name(name)


@given(st.text(max_size=1100))
def test_an_item_is_one_printable_line(text):
    try:
        name = check_item(text)
    except InvalidInputError:
        assert not text.strip() or len(text.strip()) > 1000 or not text.strip().isprintable()
    else:
        assert name == text.strip() and "\n" not in name
