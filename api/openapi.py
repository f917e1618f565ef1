"""The OpenAPI 3.1 document, generated from the routes and from the types their handlers use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import TypeAdapter

from api.call import JSON, Body, Route, Who
from api.decoding import adapter_of
from api.errors import PROBLEM_JSON, ProblemShown

SCHEMA = "#/components/schemas/"
PATH_PARAMETER = re.compile(r"{(\w+)(?::[^/]*)?}")
ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
SECURITY = {Who.MERCHANT: "merchantKey", Who.ADMIN: "adminKey"}
OF_BODY = {
    Body.NONE: (422,),
    Body.JSON: (400, 408, 413, 415, 422),
    Body.NOTICE: (400, 408, 413, 415, 422),
    Body.FILE: (400, 408, 413, 415, 422),
}
Schemas = Mapping[Any, dict[str, Any]]


def build_openapi(routes: Sequence[Route], *, version: str, notice_types: Iterable[str]) -> bytes:
    """The document for a table of routes, as JSON."""
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        operation = _operation(route, schemas, components, sorted(notice_types))
        paths.setdefault(public_path(route.path), {})[route.method.lower()] = operation
    for route in routes:
        # A query is shown as parameters; its type would stand there unused.
        if route.query is not None:
            components.pop(route.query.__name__, None)
    document = {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "keshikomi",
            "version": version,
            "summary": "Clears payment notices against invoices and tells merchants by webhooks.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {"Problem": _problem()},
            "securitySchemes": {
                "merchantKey": {"type": "http", "scheme": "bearer", "description": "ksk_..."},
                "adminKey": {"type": "http", "scheme": "bearer"},
            },
        },
    }
    return orjson.dumps(document)


def public_path(path: str) -> str:
    """A route's path as OpenAPI writes it."""
    return PATH_PARAMETER.sub(r"{\1}", path)


def _schemas(routes: Sequence[Route]) -> tuple[Schemas, dict[str, Any]]:
    asked = {kind for route in routes for kind in (route.body, route.query) if kind is not None}
    told = {kind for route in routes for kind in route.answers.values() if kind is not None}
    inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = [
        *((kind, "validation", adapter_of(kind)) for kind in sorted(asked, key=str)),
        *((kind, "serialization", adapter_of(kind)) for kind in sorted(told, key=str)),
        (ProblemShown, "serialization", adapter_of(ProblemShown)),
    ]
    found, definitions = TypeAdapter.json_schemas(inputs, ref_template=SCHEMA + "{model}")
    return {kind: schema for (kind, _), schema in found.items()}, definitions.get("$defs", {})


def _operation(
    route: Route, schemas: Schemas, components: Mapping[str, Any], notice_types: Sequence[str]
) -> dict[str, object]:
    operation: dict[str, object] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas, components)],
        "responses": _responses(route, schemas),
        "security": [{SECURITY[route.who]: []}] if route.who in SECURITY else [],
    }
    if route.idempotent:
        operation["parameters"] = [*operation["parameters"], _idempotency_key()]  # type: ignore[misc]  # it is the list above
    if route.body_kind is Body.JSON:
        content = {JSON: {"schema": schemas[route.body]}}
        operation["requestBody"] = {"content": content, "required": _is_required(route)}
    elif route.body_kind is not Body.NONE:
        types = notice_types if route.body_kind is Body.NOTICE else ["*/*"]
        content = {each: {"schema": {}} for each in types}
        operation["requestBody"] = {"content": content, "required": True}
    return operation


def _is_required(route: Route) -> bool:
    return any(field.is_required() for field in route.body.model_fields.values())


def _path_parameters(route: Route) -> list[dict[str, object]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": ID}
        for name in PATH_PARAMETER.findall(route.path)
    ]


def _query_parameters(
    route: Route, schemas: Schemas, components: Mapping[str, Any]
) -> list[dict[str, object]]:
    if route.query is None:
        return []
    schema = schemas[route.query]
    model = components[schema["$ref"].removeprefix(SCHEMA)] if "$ref" in schema else schema
    required = model.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _present(member)}
        for name, member in model["properties"].items()
    ]


def _present(member: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not there; it is never null."""
    kinds = [kind for kind in member.get("anyOf", ()) if kind.get("type") != "null"]
    # A default of None or of nothing is what leaving the parameter out means anyway.
    rest = {k: v for k, v in member.items() if k not in {"anyOf", "title"} and v not in (None, [])}
    return {**rest, **kinds[0]} if kinds else rest


def _idempotency_key() -> dict[str, object]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    text = "The same key and body answer the first answer again, for 24 hours."
    return {"name": "Idempotency-Key", "in": "header", "description": text, "schema": schema}


def _responses(route: Route, schemas: Schemas) -> dict[str, object]:
    responses: dict[str, object] = {}
    for status, kind in route.answers.items():
        response: dict[str, object] = {"description": HTTPStatus(status).phrase}
        if kind is not None:
            response["content"] = {route.media_type: {"schema": schemas[kind]}}
        responses[str(status)] = response
    for status in sorted(problem_statuses(route) - set(route.answers)):
        responses[str(status)] = {"$ref": "#/components/responses/Problem"}
    return responses


def problem_statuses(route: Route) -> set[int]:
    """The problems that a route can answer with: most follow from how it is declared."""
    statuses = {*OF_BODY[route.body_kind], *route.refuses, 500, 503}
    if route.who in SECURITY:
        statuses |= {401, 429}
    if PATH_PARAMETER.search(route.path):
        statuses.add(404)
    if route.idempotent:
        statuses |= {400, 409}
    return statuses


def _problem() -> dict[str, object]:
    schema = {"$ref": f"{SCHEMA}{ProblemShown.__name__}"}
    return {
        "description": "What is wrong, as RFC 9457 says it",
        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
        "content": {PROBLEM_JSON: {"schema": schema}},
    }
