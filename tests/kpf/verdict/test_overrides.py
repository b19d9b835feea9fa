"""What a person says of a rule is kept, with who, when and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.demo.header_only_night import HeaderOnlyNight, NightFault
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment, rules
from tests.kpf.verdict.conftest import NIGHT

Plant = Callable[..., HeaderOnlyNight]


def test_it_counts_and_what_was_measured_stays(planted: Plant) -> None:
    planted(NightFault.NO_MASTER_BIAS)
    said = assessment.override_rule(
        NIGHT, "master-bias", "PASS", "that of last week is good", who="Ada"
    )
    judged = assessment.assess_night(NIGHT)
    one = next(one for one in judged.results if one.rule.name == "master-bias")
    assert (one.verdict, one.measured, one.override) == (Verdict.PASS, Verdict.FAIL, said)
    assert judged.verdict is Verdict.PASS
    assert (said.who, said.instead_of, said.why) == ("Ada", "FAIL", "that of last week is good")
    assert judged.to_dict()["overrides"][0]["at"] == said.at


def test_the_latest_counts_and_none_is_lost(planted: Plant) -> None:
    planted(NightFault.NO_MASTER_BIAS)
    for to in ("PASS", "WARN", "measured"):
        assessment.override_rule(NIGHT, "master-bias", to, f"because {to}")
    judged = assessment.assess_night(NIGHT)
    assert judged.verdict is Verdict.FAIL
    assert [one.to for one in judged.overrides] == ["PASS", "WARN", "measured"]


def test_a_dry_run_records_nothing(planted: Plant) -> None:
    planted()
    assessment.override_rule(NIGHT, "drift", "FAIL", "the etalon was off", dry_run=True)
    assert assessment.assess_night(NIGHT).overrides == ()


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
    with pytest.raises(InvalidParameterError, match=told):
        assessment.override_rule(NIGHT, rule, to, why)
    assert assessment.assess_night(NIGHT).overrides == ()


def test_a_damaged_one_is_named(planted: Plant) -> None:
    planted()
    assessment.override_rule(NIGHT, "drift", "FAIL", "x")
    folder = assessment.night_dir(settings.load_settings(), NIGHT) / rules.OVERRIDES_DIR
    [file] = folder.glob("*.json")
    file.write_text('{"night": 1}')
    with pytest.raises(InvalidInputError, match=file.name):
        assessment.assess_night(NIGHT)


def test_one_of_a_rule_that_is_gone_is_told(planted: Plant) -> None:
    planted()
    folder = assessment.night_dir(settings.load_settings(), NIGHT)
    said = rules.new_override(NIGHT, "gone", "PASS", "x", instead_of="FAIL", criteria="")
    rules.save_override(folder, said)
    assert "'gone', which is no rule any more" in assessment.assess_night(NIGHT).remarks[-1]
