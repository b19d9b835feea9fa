"""Overrides are recorded with who, when and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.demo.header_only_night import HeaderOnlyNight, NightFault
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment, rules
from tests.kpf.verdict.conftest import NIGHT

MakeNight = Callable[..., HeaderOnlyNight]


def test_it_counts_and_the_measured_verdict_is_kept(make_night: MakeNight) -> None:
    make_night(NightFault.NO_MASTER_BIAS)
    override = assessment.override_rule(
        NIGHT, "master-bias", "PASS", "that of last week is good", who="Ada"
    )
    night_verdict = assessment.assess_night(NIGHT)
    result = next(result for result in night_verdict.results if result.rule.name == "master-bias")
    assert (result.verdict, result.measured, result.override) == (
        Verdict.PASS,
        Verdict.FAIL,
        override,
    )
    assert night_verdict.verdict is Verdict.PASS
    assert (override.who, override.instead_of, override.why) == (
        "Ada",
        "FAIL",
        "that of last week is good",
    )
    assert night_verdict.to_dict()["overrides"][0]["at"] == override.at


def test_the_latest_counts_and_all_are_kept(make_night: MakeNight) -> None:
    make_night(NightFault.NO_MASTER_BIAS)
    for to in ("PASS", "WARN", "measured"):
        assessment.override_rule(NIGHT, "master-bias", to, f"because {to}")
    night_verdict = assessment.assess_night(NIGHT)
    assert night_verdict.verdict is Verdict.FAIL
    assert [entry.to for entry in night_verdict.overrides] == ["PASS", "WARN", "measured"]


def test_a_dry_run_records_nothing(make_night: MakeNight) -> None:
    make_night()
    assessment.override_rule(NIGHT, "drift", "FAIL", "the etalon was off", dry_run=True)
    assert assessment.assess_night(NIGHT).overrides == ()


@pytest.mark.parametrize(
    ("rule", "to", "why", "message"),
    [
        ("nope", "PASS", "x", "no rule 'nope'"),
        ("drift", "FINE", "x", "--to 'FINE'"),
        ("drift", "PASS", "  ", "--why is empty"),
    ],
)
def test_an_invalid_one_is_refused_and_not_recorded(
    make_night: MakeNight, rule: str, to: str, why: str, message: str
) -> None:
    make_night()
    with pytest.raises(InvalidParameterError, match=message):
        assessment.override_rule(NIGHT, rule, to, why)
    assert assessment.assess_night(NIGHT).overrides == ()


def test_a_damaged_one_is_named(make_night: MakeNight) -> None:
    make_night()
    assessment.override_rule(NIGHT, "drift", "FAIL", "x")
    night_dir = assessment.night_dir(settings.load_settings(), NIGHT) / rules.OVERRIDES_DIR
    [file] = night_dir.glob("*.json")
    file.write_text('{"night": 1}')
    with pytest.raises(InvalidInputError, match=file.name):
        assessment.assess_night(NIGHT)


def test_one_of_an_unknown_rule_is_reported(make_night: MakeNight) -> None:
    make_night()
    night_dir = assessment.night_dir(settings.load_settings(), NIGHT)
    override = rules.new_override(NIGHT, "gone", "PASS", "x", instead_of="FAIL", criteria="")
    rules.save_override(night_dir, override)
    assert "'gone', which is no longer a rule" in assessment.assess_night(NIGHT).remarks[-1]
