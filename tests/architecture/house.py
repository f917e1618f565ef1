"""The list of the house rules: to change one, change it here, with its reason."""

from __future__ import annotations

from tests.architecture import rules
from tests.architecture.rules import Rule

RULES = (
    Rule(
        name="files are short",
        reason="a file is read in one sitting; a longer one holds two things",
        find=rules.long_files,
    ),
    Rule(
        name="functions are short",
        reason="a function does one thing, and its name says which",
        find=rules.long_functions,
    ),
    Rule(
        name="a module says what it is for",
        reason="the reader decides after one sentence whether to read on",
        find=rules.missing_purpose,
    ),
    Rule(
        name="__init__.py is empty",
        reason="importing a package does nothing; every name is imported from where it is defined",
        find=rules.filled_inits,
    ),
    Rule(
        name="nothing is left for later",
        reason="what is not done is an issue; what is in the repository is finished",
        find=rules.unfinished,
    ),
    Rule(
        name="catch-alls are listed",
        reason="an error that nobody names must stop the process, or money is lost in silence",
        find=rules.catch_alls,
        exempt={
            "connectors/log/consumer.py": "a worker that cannot take its partitions is stopped",
            "connectors/log/writer.py": "a failed batch is told to everyone who waits for it",
            "docs/receivers/python/inbox.py": "a shop's work may raise anything; it is tried again",
            "api/errors.py": "the last resort: an error of ours becomes a logged 500",
        },
    ),
    Rule(
        name="one clock",
        reason="`now` is an argument, so tests own the time and a replay decides the same",
        find=rules.clocks,
        exempt={
            "streams/clock.py": "the only place that asks what time it is",
            "docs/receivers/python/keshikomi_webhooks.py": "merchants copy this one file",
        },
    ),
    Rule(
        name="no chance after the edge",
        reason="ids are derived so that a replay re-creates them; jitter comes in as a parameter",
        find=rules.chance,
    ),
    Rule(
        name="Faust tables are made in tables/",
        reason="steps see mappings of domain values; a dict is their fake",
        find=rules.table_makers,
        exempt={"tables/": "their home"},
    ),
    Rule(
        name="one reader of the environment",
        reason="settings are read once, all faults are told together, values are passed down",
        find=rules.environments,
        exempt={
            "ops/settings.py": "the only reader",
            "ops/wiring.py": "takes out what Faust would read",
            "ops/supervisor.py": "hands the environment on to the processes that it starts",
            "ops/demo.py": "starts the product with an environment of its own",
            "loadtests/": "start the product with an environment of their own",
        },
    ),
    Rule(
        name="only the command line prints",
        reason="everything else logs one wide event, which machines can read",
        find=rules.prints,
        exempt={
            "ops/cli.py": "the command line speaks on stdout",
            "ops/demo/": "the demo is read by people",
            "ops/stack/__main__.py": "it tells the addresses of the servers on stdout",
            "loadtests/": "their reports are read by people",
            "docs/receivers/": "the examples tell on stdout what they think of the vectors",
        },
    ),
    Rule(
        name="tests do not sleep",
        reason="time in tests is a manual clock; a real process is waited for with `eventually`",
        find=rules.sleeps_in_tests,
        exempt={
            "tests/conftest.py": "home of `eventually`, which waits for real processes",
            "tests/integration/product_world.py": "home of `until` and of the load's pace",
        },
    ),
    Rule(
        name="the domain is pure",
        reason="it decides from values to values, with the pure part of the standard library",
        find=rules.impure_domain,
    ),
    Rule(
        name="yen are int",
        reason="floats lose money, strings hide mistakes",
        find=rules.odd_money,
    ),
    Rule(
        name="excuses are explained",
        reason="`# type: ignore[code]  # why` and `# noqa: CODE  # why` can be judged and removed",
        find=rules.bare_excuses,
    ),
    Rule(
        name="files speak of the product only",
        reason="paths of one machine, registries and ways of working mean nothing to a stranger",
        find=rules.private_words,
    ),
)
