"""The house rules hold in every file, and an exemption that nobody needs any more is removed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.architecture.house import RULES
from tests.architecture.rules import Rule
from tests.architecture.sources import all_sources


def name_of(rule: Rule) -> str:
    return rule.name


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    offences = [offence for source in all_sources() for offence in rule.offences(source)]

    if offences:
        pytest.fail("\n".join([f"{rule.name}: {rule.reason}", *offences]), pytrace=False)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_every_exempt_file_still_needs_its_exemption(rule: Rule) -> None:
    strict = replace(rule, exempt={})
    exempt_files = [source for source in all_sources() if source.path in rule.exempt]

    needless = [source.path for source in exempt_files if not strict.offences(source)]

    assert needless == [], f"remove the exemption from {rule.name!r} in tests/architecture/house.py"
