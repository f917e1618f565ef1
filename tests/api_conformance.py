"""Compares answers with the OpenAPI document that the API gives of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from jsonschema import Draft202012Validator

PROBLEM = "application/problem+json"


class Conformance:
    """Raises when an answer is not as the document says; members it does not name count too.

    The document is its own from then on: it is closed to those members.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        _close(document)
        self.document = document
        self._paths = {
            re.compile(re.sub(r"{\w+}", "[^/]+", path)): operations
            for path, operations in self.document["paths"].items()
        }
        self.seen: set[tuple[str, str, int]] = set()

    def check(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        operation = self._operation(method, path.partition("?")[0])
        media_type = headers.get("content-type", "").partition(";")[0]
        if operation is None:
            assert (status, media_type) in {(404, PROBLEM), (405, PROBLEM)}
            self._valid({"$ref": "#/components/schemas/ProblemShown"}, body)
            return
        responses = operation["responses"]
        assert str(status) in responses, f"{method} {path} answered {status}: {body!r}"
        self.seen.add((method, operation["operationId"], status))
        response = responses[str(status)]
        if "$ref" in response:
            response = self.document["components"]["responses"]["Problem"]
        content = response.get("content")
        if content is None:
            assert not body
            return
        described = content.get(media_type) or content.get("*/*")
        assert described is not None, f"{method} {path} answered {status} as {media_type}"
        if media_type in {"application/json", PROBLEM}:
            self._valid(described["schema"], body)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, operations in self._paths.items():
            if pattern.fullmatch(path):
                found = operations.get(method.lower())
                assert found is None or isinstance(found, dict)
                return found
        return None

    def _valid(self, schema: dict[str, Any], body: bytes) -> None:
        whole = {**schema, "components": self.document["components"]}
        errors = list(Draft202012Validator(whole).iter_errors(orjson.loads(body)))
        assert not errors, [f"{error.json_path}: {error.message}" for error in errors]


def _close(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
