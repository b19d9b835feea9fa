import inspect

import pytest

from kpfnb.errors import BadParameter
from kpfnb.parameters import parse_kind
from kpfnb.workqueue import tasks


@pytest.mark.parametrize("name", tasks.PLACES)
def test_each_task_can_be_called_by_a_worker(name):
    parameters = list(inspect.signature(tasks.find(name).run).parameters.values())
    assert [one.name for one in parameters[:2]] == ["item", "lease"]
    for option in parameters[2:]:
        assert option.kind is option.KEYWORD_ONLY
        assert parse_kind(str(option.annotation)).check(option.default) == option.default


def test_options_come_in_their_types():
    assert tasks.find("test").options({"sleep": "2.5", "fail": "x"}) == {"sleep": 2.5, "fail": "x"}
    assert tasks.find("test").options({}) == {}


def test_a_task_without_a_survey_says_so(monkeypatch):
    monkeypatch.setitem(tasks.PLACES, "blind", "kpfnb.workqueue.itemlist")
    with pytest.raises(BadParameter, match="task blind can't tell from the disk"):
        tasks.survey("blind", "trial")
