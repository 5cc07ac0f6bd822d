"""The documents that a plugin is sent while it is tried out: what is left out filled in, what no host would send refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote as percent_encoded
from urllib.parse import urlencode

import jsonschema_rs

from mockforge_asgi.config.parsing.json_schema import schema_problems
from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.config.parsing.pydantic_errors import suggest
from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import body_bytes
from mockforge_asgi.errors import Problem
from mockforge_asgi.http.request_document import INLINE_BODY_BYTES
from mockforge_asgi.plugins.testkit.cases import BodyModel, DoorsModel, json_text
from mockforge_asgi.security.permissions import EffectivePermissions
from mockforge_asgi.text import clip

REQUEST_OPS: Final = {
    "auth.authenticate": (), "response.can_handle": ("request",), "response.generate": ("request",), "response.modify": ("request",),
    "endpoint.call": ("request",),
}  # fmt: skip
"""Operations that are sent a request, and where it stands in their document."""

FINGERPRINT: Final = "0" * 64
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=-._~"
_SHAPES: Final = {
    "headers": "a mapping of names to texts, or a list of [name, value] pairs",
    "query": "a mapping of names to texts, or a list of [name, value] pairs",
    "body": "{text: …}, {base64: …} or {json: …}",
    "path_params": "an object of texts and numbers",
}
_SCHEMA: Final = "urn:mockforge:plugin:0.1:"


class Bodies:
    """The bodies of the request and of the answer that a call belongs to."""

    def __init__(self, request: bytes, response: bytes) -> None:
        self.request, self.response = request, response

    async def read_body(self, of: str) -> bytes:
        """The body of the `request` or the `response`."""
        return self.response if of == "response" else self.request

    def watched(self) -> AbstractContextManager[None]:
        """No client is there to leave."""
        return nullcontext()


def bodies_of(op: str, document: Json, doors: DoorsModel) -> Bodies:
    """The bodies behind an operation's document: those it shows itself, else those of the setting."""
    return Bodies(_shown(_request_of(op, document)) or _bytes(doors.request_body), _bytes(doors.response_body))


def complete(op: str, document: Json, bodies: Bodies, rights: EffectivePermissions) -> Json:
    """The document with what a host always sends and this one leaves out."""
    if not isinstance(document, dict | None):
        return document
    whole: dict[str, Json] = {**_ALWAYS.get(op, {}), **(document or {})}
    if op not in REQUEST_OPS:
        return whole
    view = rights.request_view
    request = _complete_request(whole.get("request") if REQUEST_OPS[op] else whole, len(bodies.request) * view.body, view.query is None)
    if not REQUEST_OPS[op]:
        return request
    if op == "response.modify" and isinstance(given := whole.get("response") or {}, dict):
        whole["response"] = _lower({"status": 200, "headers": [], "body": {"available": len(bodies.response)}, **given})
    return {**whole, "request": request}


_ALWAYS: Final[Mapping[str, Mapping[str, Json]]] = {
    "response.can_handle": {"fingerprint": FINGERPRINT},
    "response.generate": {"fingerprint": FINGERPRINT},
    "template.call": {"args": [], "kwargs": {}},
    "data.query": {"params": {}},
}


def _complete_request(given: Json, body_bytes: int, sees_query: bool) -> Json:
    if not isinstance(given, dict | None):
        return given
    said: dict[str, Json] = given or {}
    path = said.get("path", "/")
    raw_path = percent_encoded(path, _PATH_CHARACTERS) if isinstance(path, str) else "/"
    if "body" in said:
        is_large = body_bytes and len(_shown(said)) > INLINE_BODY_BYTES
        said = {**said, "body": {"available": body_bytes} if is_large else _body_of(said)}
    if sees_query and "query_string" not in said:
        said = {**said, "query_string": _query_string(said.get("query", []))}
    if isinstance(principal := said.get("principal"), dict):
        usual: dict[str, Json] = {"roles": [], "groups": [], "name": None, "email": None, "attributes": {}}
        said = {**said, "principal": {**usual, **principal}}
    return _lower({
        "method": "GET", "scheme": "http", "host": "127.0.0.1:8000", "path": path, "raw_path": raw_path, "query": [], "headers": [],
        "client": None, "route": None, "path_params": {}, "principal": None, "body": {"available": body_bytes}, **said,
    })  # fmt: skip


def _query_string(query: Json) -> str:
    try:
        return urlencode([(name, value) for name, value in (_pairs(query) if isinstance(query, dict) else query)])
    except (TypeError, ValueError):
        return ""  # what is wrong with the pairs is told of them


def _lower(part: dict[str, Json]) -> dict[str, Json]:
    """With names of headers in lower case and mappings of names as pairs, as the host has them."""
    part = {**part, **{key: _pairs(part[key]) for key in ("headers", "query") if isinstance(part.get(key), dict)}}
    if not isinstance(headers := part["headers"], list):
        return part
    return {**part, "headers": [[p[0].lower(), *p[1:]] if isinstance(p, list) and p and isinstance(p[0], str) else p for p in headers]}


def _pairs(mapping: dict[str, Json]) -> list[Json]:
    """[name, value] pairs; a name with a list of values comes once for each."""
    return [[name, value] for name, given in mapping.items() for value in (given if isinstance(given, list) else [given])]


def faults(op: str, document: Json, whole: Json, rights: EffectivePermissions) -> list[Problem]:
    """Why no host would send it to a plugin with these rights: of the document as it was given, and of the completed one."""
    return [*_unknown(op, document), *_misshapen(op, whole)] or [
        Locations(op).problem(place, f"the plugin would not be sent {what}.", f"Ask for it in plugin.yaml: permissions: {{{asked}}}.")
        for place, what, asked in _unseen(op, whole, rights)
    ]


def _unknown(op: str, document: Json) -> Iterator[Problem]:
    """Keys that no such document has: slips of the pen."""
    asked = _schemas()["request"]["properties"]
    place = REQUEST_OPS.get(op)
    known = asked if place == () else _schemas()["operations"]["$defs"].get(op, {}).get("properties", {}).get("in", {}).get("properties")
    if known is None or not isinstance(document, dict):
        return
    for key in document.keys() - known.keys():
        remedy = f"Write it inside `request`: {{request: {{{key}: …}}}}." if place and key in asked else suggest(key, known)
        yield Locations(op).problem((), f"the key '{clip(key)}' is not known.", remedy)
    if place:
        for key in _request_of(op, document).keys() - asked.keys():
            yield Locations(op).problem(place, f"the key '{clip(key)}' is not known.", suggest(key, asked))


def _misshapen(op: str, whole: Json) -> list[Problem]:
    if op not in _schemas()["operations"]["$defs"]:
        return []
    found: list[Problem] = []
    for error in _validator(op).iter_errors(whole):
        path: Path = tuple(error.instance_path)
        named = next((i for i, part in enumerate(path) if part in _SHAPES), None) if op in REQUEST_OPS else None
        if named is None:
            found += schema_problems(error, {}, Locations(op), ())
        else:
            found.append(Locations(op).problem(path[: named + 1], f"must be {_SHAPES[str(path[named])]}."))
    return list(dict.fromkeys(found))


@cache
def _schemas() -> dict[str, Any]:
    """The published schemas by name."""
    folder = files("mockforge_plugin") / "schemas"
    return {entry.name.removesuffix(".schema.json"): json.loads(entry.read_bytes()) for entry in folder.iterdir()}


@cache
def _validator(op: str) -> Any:
    registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in _schemas().values()])
    return jsonschema_rs.Draft202012Validator({"$ref": f"{_SCHEMA}operations#/$defs/{op}/properties/in"}, registry=registry)


def _unseen(op: str, document: Json, rights: EffectivePermissions) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(place in the document, what, permission) of all that a plugin with these rights would never be sent."""
    request, view = _request_of(op, document), rights.request_view
    at = REQUEST_OPS.get(op, ())
    for name in _names(request, "headers"):
        if view.headers is not None and name not in view.headers and not (name == "cookie" and view.cookies != frozenset()):
            yield (*at, "headers"), f"the header '{name}'", f"request.headers: {{names: [{name}]}}"
    is_whole = view.headers is None or "cookie" in view.headers
    for name in () if is_whole or view.cookies is None else _cookies(request):
        if view.cookies and name not in view.cookies:
            yield (*at, "headers"), f"the cookie '{name}'", f"request.cookies: {{names: [{name}]}}"
    for name in _names(request, "query"):
        if view.query is not None and name not in view.query:
            yield (*at, "query"), f"the query parameter '{name}'", f"request.query: {{names: [{name}]}}"
    if request.get("query_string") is not None and view.query is not None:
        yield (*at, "query_string"), "the query as it was sent", 'request.query: {names: ["*"]}'
    if request.get("client") is not None and not view.client:
        yield (*at, "client"), "the client's address", "request.client: {}"
    if request.get("principal") is not None and not view.principal:
        yield (*at, "principal"), "the principal", "request.principal: {}"
    elif request.get("claims") and not view.principal:
        yield (*at, "claims"), "the claims", "request.principal: {}"
    if request.get("body") not in (None, {"available": 0}) and not view.body:
        yield (*at, "body"), "the body", "request.body: {}"
    if op == "response.modify" and rights.response_headers is not None:
        for name in _names(document["response"], "headers"):
            if name not in rights.response_headers:
                yield ("response", "headers"), f"the answer's header '{name}'", f"response.headers: {{names: [{name}]}}"


def _request_of(op: str, document: Json) -> dict[str, Json]:
    request = document
    for key in REQUEST_OPS.get(op, ("?",)):
        request = request.get(key) if isinstance(request, dict) else None
    return request if isinstance(request, dict) else {}


def _names(part: dict[str, Json], key: str) -> list[str]:
    return [name for name, _ in part.get(key, ())]


def _cookies(request: dict[str, Json]) -> list[str]:
    """Names of cookies (RFC 6265 §4.2.1)."""
    lines = [value for name, value in request.get("headers", ()) if name == "cookie"]
    return [crumb.partition("=")[0].strip() for line in lines for crumb in line.split(";") if crumb.strip()]


def _body_of(request: dict[str, Json]) -> Json:
    """Its body; one that a case writes as JSON, as text."""
    body = request.get("body")
    return {"text": json_text(body["json"])} if isinstance(body, dict) and body.keys() == {"json"} else body


def _shown(request: dict[str, Json]) -> bytes:
    try:
        return body_bytes(_body_of(request))
    except ValueError:
        return b""


def _bytes(body: BodyModel | None) -> bytes:
    return b"" if body is None else _shown({"body": body.document})
