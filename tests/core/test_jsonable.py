import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.result import Outcome, to_jsonable

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_values_stay_what_they_are(value):
    assert to_jsonable(value) == value


def test_others_become_json_values():
    value = {
        1: np.float32(0.5),
        "array": np.arange(2),
        "nan": float("nan"),
        "inside": [np.nan, np.inf, (1, 2)],
        "path": Path("a/b"),
        "time": datetime(2024, 1, 2, tzinfo=UTC),
        "outcome": Outcome.FAILED,
    }
    text = json.dumps(to_jsonable(value), allow_nan=False)
    assert json.loads(text) == {
        "1": 0.5,
        "array": [0, 1],
        "nan": None,
        "inside": [None, None, [1, 2]],
        "path": "a/b",
        "time": "2024-01-02 00:00:00+00:00",
        "outcome": "failed",
    }
