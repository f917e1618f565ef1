"""A rule that cannot fail is none: each finds what it forbids and lets pass what it allows."""

from __future__ import annotations

import pytest

from tests.architecture.house import RULES
from tests.architecture.rules import Rule
from tests.architecture.sources import Source

BY_NAME = {rule.name: rule for rule in RULES}
LONG_FUNCTION = "def f() -> None:\n" + "    pass\n" * 40
LONG_TEST = "def f() -> None:\n" + "    pass\n" * 60

BREACHES = [
    ("files are short", "api/a.py", "pass\n" * 301),
    ("functions are short", "api/a.py", LONG_FUNCTION),
    (
        "functions are short",
        "api/a.py",
        "class C:\n    async " + LONG_FUNCTION.replace("    ", " " * 8),
    ),
    ("functions are short", "tests/unit/a.py", LONG_TEST),
    ("a module says what it is for", "api/a.py", "import os\n"),
    ("a module says what it is for", "api/a.py", '"""Half a\nsentence."""\n'),
    ("__init__.py is empty", "api/__init__.py", "from api.app import make_app\n"),
    ("nothing is left for later", "api/a.py", "x = 1  # TODO: y\n"),
    ("nothing is left for later", "README.md", "FIXME" + " later\n"),
    ("catch-alls are listed", "agents/a.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    (
        "catch-alls are listed",
        "agents/a.py",
        "try:\n    f()\nexcept (OSError, BaseException):\n    pass\n",
    ),
    ("catch-alls are listed", "agents/a.py", "try:\n    f()\nexcept:\n    pass\n"),
    ("catch-alls are listed", "agents/a.py", "with contextlib.suppress(Exception):\n    f()\n"),
    ("one clock", "api/a.py", "now = datetime.now(UTC)\n"),
    ("one clock", "api/a.py", "now = datetime.datetime.now\n"),
    ("one clock", "agents/a.py", "from time import monotonic\n"),
    ("one clock", "ops/a.py", "t = time.time()\n"),
    ("one clock", "ops/a.py", "t = time.perf_counter()\n"),
    ("no chance after the edge", "agents/a.py", "import random\n"),
    ("no chance after the edge", "streams/domain/a.py", "from secrets import token_hex\n"),
    ("no chance after the edge", "tables/a.py", "from uuid import uuid4\n"),
    ("Faust tables are made in tables/", "agents/a.py", "rows = app.Table('rows')\n"),
    ("Faust tables are made in tables/", "ops/a.py", "rows = app.GlobalTable('rows')\n"),
    ("one reader of the environment", "api/a.py", "path = os.environ['X']\n"),
    ("one reader of the environment", "api/a.py", "path = os.getenv('X')\n"),
    ("only the command line prints", "agents/a.py", "print('x')\n"),
    ("tests do not sleep", "tests/unit/a.py", "await asyncio.sleep(0.1)\n"),
    ("tests do not sleep", "tests/unit/a.py", "time.sleep(1)\n"),
    ("tests do not sleep", "tests/unit/a.py", "await sleep(2)\n"),
    (
        "the domain is pure",
        "streams/domain/a.py",
        "import os\n",
    ),
    (
        "the domain is pure",
        "streams/domain/a.py",
        "import orjson\n",
    ),
    (
        "the domain is pure",
        "streams/domain/a.py",
        "from streams.clock import x\n",
    ),
    ("yen are int", "streams/a.py", "class A:\n    amount_yen: float\n"),
    ("yen are int", "api/a.py", "def f(*, paid_yen: str | None) -> None: ...\n"),
    ("excuses are explained", "api/a.py", "x = f()  # type: ignore\n"),
    ("excuses are explained", "api/a.py", "x = f()  # type: ignore[misc]\n"),
    ("excuses are explained", "api/a.py", "x = f()  # noqa\n"),
    ("excuses are explained", "api/a.py", "x = f()  # noqa: S608\n"),
    ("excuses are explained", "api/a.py", "x = f()  # noqa: S608, E501\n"),
    ("excuses are explained", "api/a.py", "if x:  # pragma: no cover\n    f()\n"),
    ("excuses are explained", "api/a.py", "# ruff: noqa: T201\n"),
    ("files speak of the product only", "README.md", "see /" + "work/main\n"),
    ("files speak of the product only", "requirements.lock", "https://py" + "pi.org/simple\n"),
]

ALLOWED = [
    ("files are short", "api/a.py", "pass\n" * 300),
    ("functions are short", "tests/unit/a.py", LONG_FUNCTION),
    ("functions are short", "api/a.py", "def f() -> None:\n" + "    pass\n" * 39),
    ("a module says what it is for", "api/a.py", '"""Answers questions about invoices."""\n'),
    ("__init__.py is empty", "api/__init__.py", ""),
    ("nothing is left for later", "api/a.py", "x = 'TODO'\n"),
    ("catch-alls are listed", "api/errors.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    ("catch-alls are listed", "agents/a.py", "try:\n    f()\nexcept BaseException:\n    raise\n"),
    ("catch-alls are listed", "agents/a.py", "try:\n    f()\nexcept OSError:\n    pass\n"),
    ("one clock", "streams/clock.py", "now = datetime.now(UTC)\n"),
    ("one clock", "loadtests/a.py", "t = time.perf_counter()\n"),
    ("one clock", "api/a.py", "at = datetime.fromisoformat(text)\nt = loop.time()\n"),
    ("no chance after the edge", "connectors/a.py", "import secrets\n"),
    ("no chance after the edge", "streams/domain/a.py", "from uuid import uuid5\n"),
    ("Faust tables are made in tables/", "tables/a.py", "rows = app.Table('rows')\n"),
    ("Faust tables are made in tables/", "ops/a.py", "rows = Table(title='rich')\n"),
    ("one reader of the environment", "ops/settings.py", "path = os.environ['X']\n"),
    ("one reader of the environment", "ops/a.py", "path = os.path\n"),
    ("only the command line prints", "ops/cli.py", "print('x')\n"),
    ("tests do not sleep", "tests/unit/a.py", "await asyncio.sleep(0)\n"),
    ("tests do not sleep", "connectors/a.py", "await asyncio.sleep(1)\n"),
    ("the domain is pure", "streams/domain/a.py", "import enum\n"),
    ("the domain is pure", "streams/domain/a.py", "from streams.domain import ids\n"),
    ("the domain is pure", "streams/a.py", "import orjson\n"),
    ("yen are int", "streams/a.py", "amount_yen: int | None = None\n"),
    ("excuses are explained", "api/a.py", "x = f()  # type: ignore[misc]  # Faust is untyped\n"),
    ("excuses are explained", "api/a.py", "x = f()  # noqa: S608, E501  # a constant of ours\n"),
    ("excuses are explained", "api/a.py", "x = '# noqa'  # a remark\n"),
    ("files speak of the product only", "README.md", "the worker works\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "text"), BREACHES)
def test_a_breach_is_found(name: str, path: str, text: str) -> None:
    assert BY_NAME[name].offences(Source(path, text))


@pytest.mark.parametrize(("name", "path", "text"), ALLOWED)
def test_what_is_allowed_passes(name: str, path: str, text: str) -> None:
    assert BY_NAME[name].offences(Source(path, text)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_is_tried_both_ways(rule: Rule) -> None:
    assert rule.name in {name for name, _, _ in BREACHES}
    assert rule.name in {name for name, _, _ in ALLOWED}
