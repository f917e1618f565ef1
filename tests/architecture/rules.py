"""The house rules that linters cannot say, each with its reason and its few exemptions."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.architecture.sources import Source

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40
TEST_FUNCTION_LINES_MAX = 60
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Found = Iterator[tuple[int, str]]
"""What a rule finds in one file: lines and what is wrong there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: why it is, how its breaches are found, and who is exempt for which reason."""

    name: str
    reason: str
    find: Callable[[Source], Found]
    exempt: Mapping[str, str] = field(default_factory=dict)

    def offences(self, source: Source) -> list[str]:
        if source.is_in(*self.exempt):
            return []
        return [f"{source.path}:{line}: {what}" for line, what in self.find(source)]


def dotted(node: ast.AST) -> str:
    """`a.b.c` as it is written; anything that is not a plain dotted name is a question mark."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def uses(source: Source, pattern: str) -> Found:
    """Where a dotted name that ends in the pattern is used, or imported by `from`."""
    wanted = re.compile(rf"(?:.*\.)?(?:{pattern})")
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and wanted.fullmatch(dotted(node)):
            yield node.lineno, dotted(node)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if wanted.fullmatch(f"{node.module}.{alias.name}"):
                    yield node.lineno, f"from {node.module} import {alias.name}"


def imports(source: Source) -> Found:
    """The top-level modules that a file imports."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "."


# --- size and shape -------------------------------------------------------------------------------


def long_files(source: Source) -> Found:
    lines = len(source.text.splitlines())
    if source.is_python and lines > FILE_LINES_MAX:
        yield 1, f"{lines} lines, {FILE_LINES_MAX} allowed"


def long_functions(source: Source) -> Found:
    limit = FUNCTION_LINES_MAX if source.is_product else TEST_FUNCTION_LINES_MAX
    for node in source.nodes if source.is_python else ():
        if isinstance(node, FUNCTIONS):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > limit:
                yield node.lineno, f"{node.name} has {lines} lines, {limit} allowed"


def missing_purpose(source: Source) -> Found:
    if source.is_python and not source.is_empty_by_rule:
        first = (ast.get_docstring(source.tree) or "").partition("\n")[0]
        if not first.endswith((".", "?", "!", "。")):
            yield 1, "the module docstring must open with one sentence on one line"


def filled_inits(source: Source) -> Found:
    if source.is_empty_by_rule and source.text:
        yield 1, "must be empty"


def unfinished(source: Source) -> Found:
    words = re.compile(r"\b(?:TOD[O]|FIXM[E])\b")
    numbered = source.comments if source.is_python else enumerate(source.text.splitlines(), 1)
    for line, text in numbered:
        if words.search(text):
            yield line, text.strip()


# --- one home for each power ----------------------------------------------------------------------


def catch_alls(source: Source) -> Found:
    everything = {"Exception", "BaseException"}
    for node in source.nodes if source.is_python else ():
        if isinstance(node, ast.ExceptHandler):
            if ast.unparse(node.body[-1]) == "raise":
                continue  # it tidies up and hands the error on
            caught = {dotted(part) for part in ast.walk(node.type)} if node.type else everything
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("suppress"):
            caught = {dotted(argument) for argument in node.args}
        else:
            continue
        if caught & everything:
            yield node.lineno, "catches everything"


def clocks(source: Source) -> Found:
    if not source.is_python:
        return
    yield from uses(source, r"datetime\.(?:now|utcnow|today)|date\.today")
    yield from uses(source, r"time\.(?:time|monotonic|process_time)(?:_ns)?|time\.localtime")
    if not source.is_in("loadtests/"):
        yield from uses(source, r"time\.perf_counter(?:_ns)?")


def chance(source: Source) -> Found:
    if source.is_python and source.is_in("agents/", "streams/", "tables/"):
        for line, module in imports(source):
            if module in {"random", "secrets"}:
                yield line, f"import {module}"
        yield from uses(source, r"uuid\.uuid[14]|os\.urandom")


def table_makers(source: Source) -> Found:
    for node in source.nodes if source.is_python and source.is_product else ():
        if isinstance(node, ast.Call) and re.fullmatch(
            r".*\.(?:Set)?(?:Global)?Table", dotted(node.func)
        ):
            yield node.lineno, f"{dotted(node.func)}(...)"


def environments(source: Source) -> Found:
    if source.is_python and source.is_product:
        yield from uses(source, r"os\.(?:environb?|getenvb?|putenv)")


def prints(source: Source) -> Found:
    for node in source.nodes if source.is_python else ():
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield node.lineno, "print(...)"


def sleeps_in_tests(source: Source) -> Found:
    if not source.is_python or not source.is_in("tests/"):
        return
    for node in source.nodes:
        if not isinstance(node, ast.Call) or ast.unparse(node) == "asyncio.sleep(0)":
            continue  # which waits for nothing, and only lets the others run
        if dotted(node.func) in {"asyncio.sleep", "sleep", "time.sleep"}:
            yield node.lineno, ast.unparse(node)


# --- the domain and money -------------------------------------------------------------------------

PURE = {
    *("__future__", "base64", "bisect", "collections", "collections.abc", "dataclasses"),
    *("datetime", "decimal", "enum", "fractions", "functools", "hashlib", "hmac", "itertools"),
    *("json", "math", "operator", "re", "string", "struct", "types", "typing", "unicodedata"),
    *("uuid", "heapq", "abc", "calendar", "binascii", "zlib", "textwrap"),
}


def impure_domain(source: Source) -> Found:
    if source.is_python and source.is_in("streams/domain/"):
        for line, module in imports(source):
            if module not in PURE and not f"{module}.".startswith("streams.domain."):
                yield line, f"import {module}"


def odd_money(source: Source) -> Found:
    for node in source.nodes if source.is_python and source.is_product else ():
        if isinstance(node, ast.AnnAssign):
            name, kind = dotted(node.target), ast.unparse(node.annotation)
        elif isinstance(node, ast.arg) and node.annotation:
            name, kind = node.arg, ast.unparse(node.annotation)
        else:
            continue
        if name.endswith("yen") and re.search(r"\b(?:float|Decimal|str)\b", kind):
            yield node.lineno, f"{name}: {kind}"


# --- words ----------------------------------------------------------------------------------------

EXCUSE = re.compile(r"#\s*(?:type:\s*ignore|noqa|pragma:|ruff:|mypy:)")
EXCUSED_WELL = re.compile(
    r"#\s*(?:type:\s*ignore\[[\w, -]+\]|noqa:\s*[A-Z]+\d+(?:,?\s+[A-Z]+\d+)*"
    r"|pragma: no (?:cover|branch))"
    r"[\s#:,;()–—-]+(?!\s*(?:noqa|type:))\w.{7,}"
)


def bare_excuses(source: Source) -> Found:
    for line, comment in source.comments if source.is_python else ():
        if EXCUSE.search(comment) and not EXCUSED_WELL.search(comment):
            yield line, comment


PRIVATE_WORDS = re.compile(
    r"/[w]ork/|/[r]oot/|/[h]ome/\w|/[U]sers/\w|/[f]arm/|[s]hared/(?:design|contract|reference|spikes)"
    r"|\.\./[s]hared|[i]ssues show|[c]o-authored-by|\b(?:[C]laude|[A]nthropic|[C]hatGPT|[O]penAI)\b"
    r"|[p]ypi\.(?:org|python)|[p]ythonhosted|-[-]extra-index|-[-]index-url=",
    re.IGNORECASE,
)


def private_words(source: Source) -> Found:
    for number, line in enumerate(source.text.splitlines(), 1):
        if match := PRIVATE_WORDS.search(line):
            yield number, match.group()
