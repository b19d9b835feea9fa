import inspect

import pytest

from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.queue import tasks


@pytest.mark.parametrize("name", tasks.TASK_MODULES)
def test_each_task_can_be_called_by_a_worker(name):
    parameters = list(inspect.signature(tasks.find_task(name).run).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["item", "lease"]
    for option in parameters[2:]:
        assert option.kind is option.KEYWORD_ONLY
        assert parse_kind(str(option.annotation)).check(option.default) == option.default


def test_options_are_converted_to_their_types():
    assert tasks.find_task("test").check_options({"sleep": "2.5", "fail": "x"}) == {
        "sleep": 2.5,
        "fail": "x",
    }
    assert tasks.find_task("test").check_options({}) == {}


def test_a_task_that_can_not_scan_says_so(monkeypatch):
    monkeypatch.setitem(
        tasks.TASK_MODULES, "blind", tasks.TaskFunctions("kpfnb.queue.records", "check_item")
    )
    with pytest.raises(InvalidParameterError, match="task blind can't tell from the disk"):
        tasks.scan_task_items("blind", "trial")
