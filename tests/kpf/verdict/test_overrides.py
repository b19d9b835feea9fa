"""What a person says of a rule is kept, with who, when and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kpfnb import settings
from kpfnb.demo.headernight import Fault, HeaderNight
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessing, overrides
from tests.kpf.verdict.conftest import NIGHT

Plant = Callable[..., HeaderNight]


def test_it_counts_and_what_was_measured_stays(planted: Plant) -> None:
    planted(Fault.NO_MASTER_BIAS)
    said = assessing.override(NIGHT, "master-bias", "PASS", "that of last week is good", who="Ada")
    judged = assessing.assess(NIGHT)
    one = next(one for one in judged.findings if one.rule.name == "master-bias")
    assert (one.verdict, one.measured, one.override) == (Verdict.PASS, Verdict.FAIL, said)
    assert judged.verdict is Verdict.PASS
    assert (said.who, said.instead_of, said.why) == ("Ada", "FAIL", "that of last week is good")
    assert judged.to_dict()["overrides"][0]["at"] == said.at


def test_the_latest_counts_and_none_is_lost(planted: Plant) -> None:
    planted(Fault.NO_MASTER_BIAS)
    for to in ("PASS", "WARN", "measured"):
        assessing.override(NIGHT, "master-bias", to, f"because {to}")
    judged = assessing.assess(NIGHT)
    assert judged.verdict is Verdict.FAIL
    assert [one.to for one in judged.overrides] == ["PASS", "WARN", "measured"]


def test_a_dry_run_records_nothing(planted: Plant) -> None:
    planted()
    assessing.override(NIGHT, "drift", "FAIL", "the etalon was off", dry_run=True)
    assert assessing.assess(NIGHT).overrides == ()


@pytest.mark.parametrize(
    ("rule", "to", "why", "told"),
    [
        ("nope", "PASS", "x", "no rule 'nope'"),
        ("drift", "FINE", "x", "--to 'FINE'"),
        ("drift", "PASS", "  ", "--why is empty"),
    ],
)
def test_a_wrong_one_is_refused_and_nothing_recorded(
    planted: Plant, rule: str, to: str, why: str, told: str
) -> None:
    planted()
    with pytest.raises(BadParameter, match=told):
        assessing.override(NIGHT, rule, to, why)
    assert assessing.assess(NIGHT).overrides == ()


def test_a_damaged_one_is_named(planted: Plant) -> None:
    planted()
    assessing.override(NIGHT, "drift", "FAIL", "x")
    folder = assessing.folder(settings.load(), NIGHT) / overrides.FOLDER
    [file] = folder.glob("*.json")
    file.write_text('{"night": 1}')
    with pytest.raises(BadInput, match=file.name):
        assessing.assess(NIGHT)


def test_one_of_a_rule_that_is_gone_is_told(planted: Plant) -> None:
    planted()
    folder = assessing.folder(settings.load(), NIGHT)
    said = overrides.make(NIGHT, "gone", "PASS", "x", instead_of="FAIL", criteria="")
    overrides.add(folder, said)
    assert "'gone', which is no rule any more" in assessing.assess(NIGHT).remarks[-1]
