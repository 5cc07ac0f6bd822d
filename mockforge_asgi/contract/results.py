"""Reads what plugins answer: JSON of a stranger becomes decisions and responses, or a clear failure.

Everything is checked here, for every runtime alike: types, ranges, header bytes, restricted headers, sizes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final

from mockforge_asgi.bounded_json import crowded
from mockforge_asgi.contract import Allow, Decision, Deny, Json, Principal, Reply
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.events import AnswerRefused, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.headers import BadHeader, guest_headers, wire_header
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.text import quote
from mockforge_asgi.types import Headers
from mockforge_plugin.values import Response

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_CLAIMS_BYTES: Final = 32 * 1024
MAX_VARS: Final = 20_000
"""The most values for a template: what it does with them holds the event loop."""
_NO_BODY: Final = MockResponse().body


class ResultReader:
    """Reads the answers of one plugin; `may_set` holds the restricted header names (lower-case) it has a grant for.

    `on_denied` is told the names of those that were left out for want of one, `events` of answers that break the contract.
    """

    __slots__ = ("_events", "may_set", "on_denied", "plugin")

    def __init__(
        self,
        plugin: str,
        may_set: frozenset[str],
        on_denied: Callable[[Sequence[str]], None] | None = None,
        events: EventStream | None = None,
    ) -> None:
        self.plugin, self.may_set, self.on_denied, self._events = plugin, may_set, on_denied, events

    def fault(self, op: str, what: str) -> PluginFailed:
        """The failure for an answer that breaks the contract, of which the events tell."""
        failure = PluginFailed(self.plugin, op, f"it answered {what}", code="invalid_output")
        if self._events is not None:
            self._events.emit(AnswerRefused(plugin=self.plugin, op=op, error=str(failure)))
        return failure

    def decision(self, op: str, said: Json) -> Decision:
        """`auth.authenticate`'s answer."""
        if said is None:
            return None
        if not isinstance(said, dict) or len(said) != 1:
            raise self.fault(op, "neither null nor an object with just one of 'allow', 'deny' and 'reply'")
        name, value = next(iter(said.items()))
        if not isinstance(value, dict):
            raise self.fault(op, f"'{name}' without an object")
        if name == "allow":
            return self._allow(op, value)
        if name == "deny":
            return self._deny(op, value)
        if name == "reply":
            return Reply(as_value(self.response(op, value.get("response", value))))
        raise self.fault(op, f"an unknown decision {quote(name)}")

    def _allow(self, op: str, value: dict[str, Json]) -> Allow:
        principal = value.get("principal")
        if not isinstance(principal, dict) or not isinstance(principal.get("id"), str) or not principal["id"]:
            raise self.fault(op, "'allow' without a principal that has a text as 'id'")
        claims = _given(value, "claims", {})
        if not isinstance(claims, dict):
            raise self.fault(op, "'claims' that are no object")
        if (claims or principal.get("attributes")) and len(dumps([claims, principal])) > MAX_CLAIMS_BYTES:
            raise self.fault(op, f"more than {MAX_CLAIMS_BYTES} bytes of claims")
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in self.headers(op, _given(value, "set_headers", [])))
        return Allow(self._principal(op, principal), claims, headers)

    def _principal(self, op: str, value: dict[str, Json]) -> Principal:
        attributes = _given(value, "attributes", {})
        if not isinstance(attributes, dict):
            raise self.fault(op, "principal 'attributes' that are no object")
        return Principal(
            value["id"],
            self._texts(op, value, "roles"),
            self._texts(op, value, "groups"),
            self._text(op, value, "name"),
            self._text(op, value, "email"),
            attributes,
        )

    def _texts(self, op: str, value: dict[str, Json], name: str) -> tuple[str, ...]:
        items = _given(value, name, [])
        if not isinstance(items, list) or not all(isinstance(i, str) for i in items):
            raise self.fault(op, f"principal '{name}' that are no list of texts")
        return tuple(items)

    def _text(self, op: str, value: dict[str, Json], name: str) -> str | None:
        item = value.get(name)
        if item is not None and not isinstance(item, str):
            raise self.fault(op, f"'{name}' that is no text")
        return item

    def _deny(self, op: str, value: dict[str, Json]) -> Deny:
        status = value.get("status", 401)
        if type(status) is not int or not 400 <= status <= 599:
            raise self.fault(op, f"'deny' with status {quote(status)}; it must be 400 to 599")
        challenge = self._text(op, value, "challenge")
        if challenge is not None:
            try:
                wire_header("www-authenticate", challenge)
            except BadHeader as error:
                raise self.fault(op, f"a challenge that cannot be sent: {error}") from None
        return Deny(status, (self._text(op, value, "reason") or "authentication failed")[:500], challenge)

    def response(self, op: str, value: Json, known: Headers = ()) -> MockResponse | TemplateResponse:
        """A response document. `known` are headers that the plugin was shown and may give back."""
        if not isinstance(value, dict):
            raise self.fault(op, f"{type(value).__name__} instead of a response object")
        status = value.get("status", 200)
        if type(status) is not int or not 200 <= status <= 599:
            raise self.fault(op, f"status {quote(status)}; a final answer has 200 to 599")
        headers = self.headers(op, _given(value, "headers", []), known)
        template = value.get("template")
        if template is None:
            return MockResponse(status, headers, self._body(op, value.get("body"), headers))
        variables = _given(value, "vars", {})
        if not isinstance(template, str) or not isinstance(variables, dict):
            raise self.fault(op, "a template that is no text, or 'vars' that are no object")
        if (long := crowded({"vars": variables}, MAX_VARS, MAX_VARS)) is not None:
            raise self.fault(op, f"'vars' that have {long[1]}")
        return TemplateResponse(status, headers, template, variables)

    def changed(self, op: str, value: Json, known: Headers) -> MockResponse:
        """`response.modify`'s answer, where it is not null."""
        changed = self.response(op, value, known)
        if not isinstance(changed, MockResponse):
            raise self.fault(op, "a template; a modifier answers a finished body")
        return changed

    def flag(self, op: str, value: Json) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise self.fault(op, f"{type(value).__name__} instead of true or false")
        return value

    def headers(self, op: str, value: Json, known: Headers = ()) -> Headers:
        """A list of [name, value] pairs, checked, without those that are ours; restricted ones need a grant."""
        if not isinstance(value, list) or len(value) > MAX_HEADERS:
            raise self.fault(op, f"'headers' that are no list of at most {MAX_HEADERS} pairs")
        pairs: list[tuple[str, str]] = []
        size = 0
        for item in value:
            if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str) or not isinstance(item[1], str):
                raise self.fault(op, "a header that is no [name, value] pair of texts")
            size += len(item[0]) + len(item[1])
            pairs.append((item[0], item[1]))
        if size > MAX_HEADER_BYTES:
            raise self.fault(op, f"more than {MAX_HEADER_BYTES} bytes of headers")
        try:
            kept, denied = guest_headers(pairs, self.may_set)
        except BadHeader as error:
            raise self.fault(op, str(error)) from None
        if denied and self.on_denied is not None and (news := set(denied) - {name.decode("latin-1") for name, _ in known}):
            self.on_denied(sorted(news))
        return kept

    def _body(self, op: str, value: Json, headers: Headers) -> bytes:
        if value is None:
            return _NO_BODY
        if isinstance(value, dict) and len(value) == 1:
            name, content = next(iter(value.items()))
            if name == "text" and isinstance(content, str):
                if not content.isascii() and (charset := MediaType.among(headers).charset) not in ("", "utf-8", "utf8"):
                    raise self.fault(op, f"text with the charset {quote(charset)}; text is sent as UTF-8: declare that, or answer bytes")
                return content.encode("utf-8", "replace")
            if name == "base64" and isinstance(content, str):
                try:
                    return base64.b64decode(content, validate=True)
                except (binascii.Error, ValueError):
                    raise self.fault(op, "a body that is not valid base64") from None
        raise self.fault(op, 'a body that is neither {"text": ...} nor {"base64": ...}')


def _given(value: dict[str, Json], name: str, default: Json) -> Json:
    """What stands under that name; the default where nothing or null does."""
    found = value.get(name)
    return default if found is None else found


def as_value(answer: MockResponse | TemplateResponse) -> Response:
    """The checked answer as the contract's value type."""
    headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in answer.headers)
    if isinstance(answer, TemplateResponse):
        return Response(answer.status, headers, template=answer.template, vars=answer.vars)
    return Response(answer.status, headers, answer.body)
