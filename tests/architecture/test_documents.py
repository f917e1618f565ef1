"""The files that no compiler reads agree with one another: decisions, locks, Makefile."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import PRODUCT, ROOT

DECISIONS = sorted((ROOT / "ops" / "decisions").glob("*.md"))
HEADINGS = ("## Context", "## Decision", "## Consequences", "## Alternatives")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
DEVELOPMENT = [*RUNTIME, *PROJECT["project"]["optional-dependencies"]["dev"]]
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / lock).read_text("utf-8")))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].lower() for text in requirements}


@pytest.mark.parametrize("file", DECISIONS, ids=lambda file: file.stem)
def test_a_decision_tells_context_decision_consequences_and_alternatives(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()

    title = re.fullmatch(r"# (\d+)\. .+", lines[0])
    assert title, "the first line is `# N. Title`"
    assert int(title[1]) == int(file.stem[:4])
    assert any(line.startswith("Status: ") for line in lines)
    assert [line for line in lines if line in HEADINGS] == list(HEADINGS)


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(file.stem[:4]) for file in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [("requirements.lock", RUNTIME), ("requirements-dev.lock", DEVELOPMENT)],
)
def test_a_lock_holds_every_dependency_with_hashes(lock: str, requirements: list[str]) -> None:
    text = (ROOT / lock).read_text("utf-8")

    assert names(requirements) - pins(lock).keys() == set(), "run `make lock`"
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_developers_run_the_versions_that_users_run() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_every_target_of_the_makefile_is_explained() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    declared = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)

    assert declared
    explained = set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
    assert set(declared[1].split()) - explained == {"lint"}, "lint is a part of check and test"


def test_every_package_is_linted_typed_layered_and_shipped() -> None:
    tools = PROJECT["tool"]

    assert {*PRODUCT, "tests"} == set(tools["mypy"]["files"])
    assert set(PRODUCT) == set(tools["importlinter"]["root_packages"])
    assert tools["coverage"]["run"]["source"] == ["streams/domain"]
    shipped = {
        pattern.rstrip("*") for pattern in tools["setuptools"]["packages"]["find"]["include"]
    }
    assert set(PRODUCT) == shipped


def test_every_folder_with_python_is_a_package() -> None:
    places = [ROOT / name for name in (*PRODUCT, "tests")]
    folders = {file.parent for place in places for file in place.rglob("*.py")}

    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
