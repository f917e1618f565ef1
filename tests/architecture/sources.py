"""The files of the project, read once, as the house rules look at them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PRODUCT = ("agents", "api", "connectors", "loadtests", "ops", "streams", "tables")
NOT_OURS = {"build", "dist", "data", "htmlcov", "__pycache__", "node_modules"}
HIDDEN_BUT_OURS = {".ci", ".editorconfig", ".gitignore", ".github"}
READABLE = {
    *("", ".cfg", ".cql", ".css", ".html", ".ini", ".js", ".json", ".lock", ".md", ".mmd", ".py"),
    *(".sh", ".sql", ".svg", ".toml", ".txt", ".yaml", ".yml"),
}


@dataclass(frozen=True)
class Source:
    """One text file: where it is and what it says."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_empty_by_rule(self) -> bool:
        return self.path.endswith("__init__.py")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        """The comments of a Python file with their lines; strings that look like them are not."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [
            (token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT
        ]

    def is_in(self, *places: str) -> bool:
        """Whether this is one of the files or lies in one of the folders, which end in a slash."""
        return any(
            self.path.startswith(place) if place.endswith("/") else self.path == place
            for place in places
        )

    @property
    def is_product(self) -> bool:
        return self.path.split("/")[0] in PRODUCT


@lru_cache(maxsize=1)
def all_sources() -> tuple[Source, ...]:
    """Every text file of the project, in a fixed order."""
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8", errors="replace"))
        for path in sorted(walk(ROOT))
    )


def walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in NOT_OURS or path.name.endswith(".egg-info"):
            continue
        if path.name.startswith(".") and path.name not in HIDDEN_BUT_OURS:
            continue
        if path.is_dir():
            yield from walk(path)
        elif path.suffix in READABLE and not is_sample(path):
            yield path


def is_sample(path: Path) -> bool:
    """Samples are foreign bytes, kept as they came."""
    return PurePosixPath(path.relative_to(ROOT).as_posix()).is_relative_to("tests/samples")
