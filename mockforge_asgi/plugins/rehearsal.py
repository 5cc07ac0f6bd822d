"""What stands behind a plugin's doors while it is tried out: storage in memory, and answers from its cases in place of the world's.

The doors themselves are the product's own, with the plugin's grants.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from mockforge_asgi.config.network import ANY_HOST
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import DoorError
from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.cases import AnswerModel, BodyModel, DoorsModel, json_text
from mockforge_asgi.plugins.doors import Rooms
from mockforge_asgi.plugins.surroundings import Surroundings
from mockforge_asgi.security.permissions import Effective, NetworkRule
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.security.target import read_spec
from mockforge_asgi.sources.sources import checked_result
from mockforge_asgi.state import KeySpace, StateStore

MAX_ROWS: Final = 100_000
REQUEST_OPS: Final = {
    "auth.authenticate": (), "response.can_handle": ("request",), "response.generate": ("request",), "response.modify": ("request",),
    "endpoint.call": ("request",),
}  # fmt: skip
"""Operations that are sent a request, and where it stands in their document."""

FINGERPRINT: Final = "0" * 64


def furnish(doors: DoorsModel, state: StateStore, events: EventStream) -> Rooms:
    """The rooms that a case describes."""
    secrets = Secrets(doors.secrets)
    return Rooms(
        state=state,
        events=events,
        secrets=secrets,
        sources=_Results(doors.data),
        egress=lambda rules: _Answers(doors.http, rules),
        surroundings=_surroundings(doors),
        redact=Redactor(secrets),
    )


async def fill(state: StateStore, plugin: str, values: Mapping[str, Json]) -> None:
    """Put values into a plugin's storage. Raises StateError."""
    space = KeySpace(state, f"plugin/{plugin}")
    for key, value in values.items():
        await space.set(key, value)


class _Anyone(Surroundings):
    """The same time and chance for plugins of every kind, those that authenticate among them."""

    def for_kinds(self, kinds: object) -> Surroundings:
        return self


def _surroundings(doors: DoorsModel) -> Surroundings:
    made: Surroundings = _Anyone()
    if doors.clock is not None:
        made = made.frozen_at(doors.clock)
    return made if doors.seed is None else made.seeded(doors.seed)


class _Answers:
    """The way out: under the plugin's rules, to answers written down."""

    def __init__(self, answers: Mapping[str, AnswerModel], rules: Sequence[NetworkRule] | None) -> None:
        from mockforge_asgi.security.egress import Egress  # of the http extra, which only plugins with network grants need

        self._answers, self._any_host = answers, [rule for rule in rules or () if rule.host == ANY_HOST]
        self._egress = Egress(None if rules is None else [rule for rule in rules if rule.host != ANY_HOST])

    async def request(self, payload: Mapping[str, Json]) -> Json:
        """The answer for its method and URL. Raises DoorError."""
        spec = read_spec(payload, max_body_bytes=self._egress.limits.max_request_bytes)
        place = spec.target
        if not any(rule.matches(place.scheme, place.host, place.port) for rule in self._any_host):
            self._egress.rule_for(place)
        found = next((self._answers[key] for key in (f"{spec.method} {payload['url']}", f"{spec.method} {spec.target.url}")
                      if key in self._answers), None)  # fmt: skip
        if found is None:
            raise DoorError("unavailable", f"doors.http of the cases has no answer for '{spec.method} {payload['url']}'")
        _raise_error(found.model_dump(include={"error"}, exclude_none=True))
        headers = [list(pair) for pair in found.headers.items()] if isinstance(found.headers, dict) else found.headers
        return {"status": found.status, "headers": headers, "body": {"text": ""} if found.body is None else found.body.document}

    async def close(self) -> None:
        """Nothing is open but what never connected."""
        await self._egress.close()


class _Results:
    """Data sources that give what is written down. `pages` are several results, and `cursors` say which of them a cursor means."""

    def __init__(self, results: Mapping[str, Json]) -> None:
        self._results = results

    async def query(
        self, source: str, query: str, params: Mapping[str, Json], *, limit: int | None, cursor: str | None, asker: str, raw: bool
    ) -> Json:
        """The result of its name. Raises DoorError."""
        found = self._results.get(f"{source}/{query}")
        if found is None:
            raise DoorError("not_found", f"doors.data of the cases has no result for '{source}/{query}'")
        if isinstance(pages := found.get("pages"), list):
            page = (found.get("cursors") or {"": 0}).get(cursor or "")
            if type(page) is not int or not 0 <= page < len(pages):
                raise DoorError("invalid_input", "this cursor is not of this query")
            found = pages[page]
        _raise_error(found)
        return checked_result(source, found, min(limit or MAX_ROWS, MAX_ROWS))


def _raise_error(found: Json) -> None:
    error = found.get("error") if isinstance(found, Mapping) else None
    if isinstance(error, Mapping):
        raise DoorError(
            str(error.get("code", "unavailable")), str(error.get("message", "")), retryable=error.get("retryable") is True,
            details=error.get("details") or {},
        )  # fmt: skip


class Bodies:
    """The bodies of the request and of the answer that a call belongs to."""

    def __init__(self, request: bytes, response: bytes) -> None:
        self.request, self.response = request, response

    async def read_body(self, of: str) -> bytes:
        """The body of the `request` or the `response`."""
        return self.response if of == "response" else self.request


def bodies_of(op: str, document: Json, doors: DoorsModel) -> Bodies:
    """The bodies behind an operation's document: those it shows itself, else those of the doors."""
    return Bodies(_shown(_request_of(op, document)) or _bytes(doors.request_body), _bytes(doors.response_body))


def complete(op: str, document: Json, bodies: Bodies, rights: Effective) -> Json:
    """The document with what a request always has and this one leaves out."""
    if op not in REQUEST_OPS or not isinstance(document, dict | None):
        return {} if document is None else document
    whole: dict[str, Json] = dict(document or {})
    request = _complete_request(whole.get("request") if REQUEST_OPS[op] else whole, len(bodies.request) * rights.request_view.body)
    if not REQUEST_OPS[op]:
        return request
    if op.startswith("response.") and op != "response.modify":
        whole.setdefault("fingerprint", FINGERPRINT)
    if op == "response.modify":
        whole["response"] = {"status": 200, "headers": [], "body": {"available": len(bodies.response)}, **(whole.get("response") or {})}
    return {**whole, "request": request}


def _complete_request(given: Json, body_bytes: int) -> Json:
    if not isinstance(given, dict | None):
        return given
    said: dict[str, Json] = given or {}
    path = said.get("path", "/")
    if "body" in said:
        said = {**said, "body": _body_of(said)}
    return {
        "method": "GET", "scheme": "http", "host": "127.0.0.1:8000", "path": path, "raw_path": path, "query": [], "headers": [],
        "client": None, "route": None, "path_params": {}, "principal": None, "body": {"available": body_bytes}, **said,
    }  # fmt: skip


def unseen(op: str, document: Json, rights: Effective) -> list[tuple[tuple[str, ...], str, str]]:
    """(place in the document, what, permission) of all that a plugin with these rights would never be sent."""
    request, view = _request_of(op, document), rights.request_view
    at = REQUEST_OPS.get(op, ())
    found = [
        ((*at, "headers"), f"the header '{name}'", f"request.headers: {{names: [{name}]}}")
        for name in _names(request, "headers")
        if view.headers is not None and name.lower() not in view.headers and not (name.lower() == "cookie" and view.cookies != frozenset())
    ]
    found += [
        ((*at, "query"), f"the query parameter '{name}'", f"request.query: {{names: [{name}]}}")
        for name in _names(request, "query")
        if view.query is not None and name not in view.query
    ]
    if request.get("client") is not None and not view.client:
        found.append(((*at, "client"), "the client's address", "request.client: {}"))
    if request.get("principal") is not None and not view.principal:
        found.append(((*at, "principal"), "the principal", "request.principal: {}"))
    if request.get("body") not in (None, {"available": 0}) and not view.body:
        found.append(((*at, "body"), "the body", "request.body: {}"))
    if op == "response.modify" and rights.response_headers is not None:
        response = document.get("response") if isinstance(document, dict) else None
        names = [name for name in _names(response, "headers") if name.lower() not in rights.response_headers]
        found += [(("response", "headers"), f"the answer's header '{n}'", f"response.headers: {{names: [{n}]}}") for n in names]
    return found


def _request_of(op: str, document: Json) -> dict[str, Json]:
    request = document
    for key in REQUEST_OPS.get(op, ("?",)):
        request = request.get(key) if isinstance(request, dict) else None
    return request if isinstance(request, dict) else {}


def _names(part: Json, key: str) -> list[str]:
    pairs = part.get(key) if isinstance(part, dict) else None
    return [p[0] for p in pairs if isinstance(p, list) and p and isinstance(p[0], str)] if isinstance(pairs, list) else []


def _body_of(request: dict[str, Json]) -> Json:
    """Its body; one that a case writes as JSON, as text."""
    body = request.get("body")
    return {"text": json_text(body["json"])} if isinstance(body, dict) and body.keys() == {"json"} else body


def _shown(request: dict[str, Json]) -> bytes:
    body = _body_of(request)
    if not isinstance(body, dict):
        return b""
    if isinstance(text := body.get("text"), str):
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(body.get("base64") or "")
    except (TypeError, ValueError):
        return b""


def _bytes(body: BodyModel | None) -> bytes:
    return b"" if body is None else _shown({"body": body.document})
