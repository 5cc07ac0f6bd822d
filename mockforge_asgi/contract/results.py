"""Reads the results of plugins: JSON from code that is not trusted becomes decisions and responses, or a clear failure.

Everything is checked here, for every runtime alike: types, ranges, header bytes, restricted headers, sizes. Written for the usual
result: nothing is called that it does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mockforge_asgi.bounded_json import crowded
from mockforge_asgi.contract import Allow, Decision, Deny, Json, Principal, Reply
from mockforge_asgi.contract.codec import NotABody, body_bytes
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.events import AnswerRefused, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.headers import MAX_HEADER_BYTES, BadHeader, GuestHeaders, wire_header
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.text import quote
from mockforge_asgi.types import Headers
from mockforge_plugin.values import Response

MAX_CLAIMS_BYTES: Final = 32 * 1024
"""The most of a principal and its claims: the documents of plugins that are asked afterwards have them."""
MAX_VARS: Final = 10_000
"""The most values for a template: what it does with them holds the event loop."""
_NO_BODY: Final = MockResponse().body
_STRINGS: Final = frozenset({str})
_CONTAINERS: Final = frozenset({dict, list})


class ResultReader:
    """Reads the results of one plugin; `granted_headers` are the restricted header names (lower-case) that it may set.

    `on_denied` is told the names of those that were left out for want of a grant, `events` of results that break the contract.
    """

    __slots__ = ("_events", "_headers", "on_denied", "plugin")

    def __init__(
        self,
        plugin: str,
        granted_headers: frozenset[str],
        on_denied: Callable[[Sequence[str]], None] | None = None,
        events: EventStream | None = None,
    ) -> None:
        self.plugin, self.on_denied, self._events = plugin, on_denied, events
        self._headers = GuestHeaders(granted_headers)

    @property
    def granted_headers(self) -> frozenset[str]:
        """The restricted header names (lower-case) that the plugin may set."""
        return self._headers.granted

    @property
    def guest_headers(self) -> GuestHeaders:
        """What checks the headers that the plugin sets."""
        return self._headers

    def invalid(self, op: str, what: str) -> PluginFailed:
        """The failure for a result that breaks the contract, of which the events tell."""
        failure = PluginFailed(self.plugin, op, f"it answered {what}", code="invalid_output")
        if self._events is not None:
            self._events.emit(AnswerRefused(plugin=self.plugin, op=op, error=str(failure)))
        return failure

    def decision(self, op: str, result: Json) -> Decision:
        """The result of `auth.authenticate`."""
        if result is None:
            return None
        if not isinstance(result, dict) or len(result) != 1:
            raise self.invalid(op, "neither null nor an object with just one of 'allow', 'deny' and 'reply'")
        ((name, value),) = result.items()
        if not isinstance(value, dict):
            raise self.invalid(op, f"'{name}' without an object")
        if name == "allow":
            return self._allow(op, value)
        if name == "deny":
            return self._deny(op, value)
        if name == "reply":
            return Reply(as_value(self.response(op, value.get("response", value))))
        raise self.invalid(op, f"an unknown decision {quote(name)}")

    def _allow(self, op: str, value: dict[str, Json]) -> Allow:
        principal = value.get("principal")
        if not isinstance(principal, dict) or not isinstance(identity := principal.get("id"), str) or not identity:
            raise self.invalid(op, "'allow' without a principal that has a string as 'id'")
        if (claims := value.get("claims")) is None:
            claims = {}
        elif not isinstance(claims, dict):
            raise self.invalid(op, "'claims' that is not an object")
        if (attributes := principal.get("attributes")) is None:
            attributes = {}
        elif not isinstance(attributes, dict):
            raise self.invalid(op, "principal 'attributes' that is not an object")
        if (roles := principal.get("roles")) is not None and (type(roles) is not list or not _STRINGS.issuperset(map(type, roles))):
            raise self.invalid(op, "principal 'roles' that is not a list of strings")
        if (groups := principal.get("groups")) is not None and (type(groups) is not list or not _STRINGS.issuperset(map(type, groups))):
            raise self.invalid(op, "principal 'groups' that is not a list of strings")
        if (name := principal.get("name")) is not None and not isinstance(name, str):
            raise self.invalid(op, "'name' that is not a string")
        if (email := principal.get("email")) is not None and not isinstance(email, str):
            raise self.invalid(op, "'email' that is not a string")
        texts = (identity, name or "", email or "", *(roles or ()), *(groups or ()))
        if (len(dumps([claims, principal])) if claims or attributes else sum(map(len, texts))) > MAX_CLAIMS_BYTES:
            raise self.invalid(op, f"a principal and claims of more than {MAX_CLAIMS_BYTES} bytes")
        headers: tuple[tuple[str, str], ...] = ()
        if (items := value.get("set_headers")) is not None and items != []:
            headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in self.headers(op, items))
        return Allow(Principal(identity, tuple(roles or ()), tuple(groups or ()), name, email, attributes), claims, headers)

    def _deny(self, op: str, value: dict[str, Json]) -> Deny:
        status, reason, challenge = value.get("status", 401), value.get("reason"), value.get("challenge")
        if type(status) is not int or not 400 <= status <= 599:
            raise self.invalid(op, f"'deny' with status {quote(status)}; it must be 400 to 599")
        for field, item in (("challenge", challenge), ("reason", reason)):
            if item is not None and not isinstance(item, str):
                raise self.invalid(op, f"'{field}' that is not a string")
        if challenge is not None:
            try:
                wire_header("www-authenticate", challenge)
            except BadHeader as error:
                raise self.invalid(op, f"a challenge that cannot be sent: {error}") from None
            if len(challenge) > MAX_HEADER_BYTES:
                raise self.invalid(op, f"a challenge of more than {MAX_HEADER_BYTES} bytes")
        return Deny(status, (reason or "authentication failed")[:500], challenge)

    def generated(self, op: str, value: Json) -> MockResponse | TemplateResponse | None:
        """The result of `response.generate`."""
        return None if value is None else self.response(op, value)

    def response(self, op: str, value: Json, known: Headers = ()) -> MockResponse | TemplateResponse:
        """A response document. `known` are headers that the plugin was shown and may give back."""
        if not isinstance(value, dict):
            raise self.invalid(op, f"{type(value).__name__} instead of a response object")
        status = value.get("status", 200)
        if type(status) is not int or not 200 <= status <= 599:
            raise self.invalid(op, f"status {quote(status)}; a final response has 200 to 599")
        items = value.get("headers")
        headers = () if items is None or items == [] else self.headers(op, items, known)
        template = value.get("template")
        if template is None:
            body = value.get("body")
            return MockResponse(status, headers, _NO_BODY if body is None else self._body(op, body, headers))
        if (variables := value.get("vars")) is None:
            variables = {}
        if not isinstance(template, str) or not isinstance(variables, dict):
            raise self.invalid(op, "a template that is not a string, or 'vars' that is not an object")
        is_flat = len(variables) <= MAX_VARS and _CONTAINERS.isdisjoint(map(type, variables.values()))
        if not is_flat and (found := crowded({"vars": variables}, MAX_VARS, MAX_VARS)) is not None:
            raise self.invalid(op, f"'vars' with {found[1]}")
        return TemplateResponse(status, headers, template, variables)

    def changed(self, op: str, value: Json, known: Headers) -> MockResponse:
        """The result of `response.modify`, where it is not null."""
        changed = self.response(op, value, known)
        if not isinstance(changed, MockResponse):
            raise self.invalid(op, "a template; a modifier returns a finished body")
        return changed

    def flag(self, op: str, value: Json) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise self.invalid(op, f"{type(value).__name__} instead of true or false")
        return value

    def headers(self, op: str, value: Json, known: Headers = ()) -> Headers:
        """A list of [name, value] pairs, checked, without those that are ours; restricted ones need a grant."""
        try:
            kept, denied = self._headers.read(value)
        except BadHeader as error:
            raise self.invalid(op, str(error)) from None
        if denied and self.on_denied is not None and (news := set(denied) - {name.decode("latin-1") for name, _ in known}):
            self.on_denied(sorted(news))
        return kept

    def _body(self, op: str, value: Json, headers: Headers) -> bytes:
        try:
            body = body_bytes(value)
        except NotABody as error:
            raise self.invalid(op, f"a body that is {error}") from None
        except UnicodeEncodeError:
            raise self.invalid(op, "text with half a character (a lone surrogate)") from None
        except ValueError:
            raise self.invalid(op, "a body that is not valid base64") from None
        if len(value) != 1:
            raise self.invalid(op, 'a body that is neither {"text": ...} nor {"base64": ...} alone')
        if not body.isascii() and "text" in value and (charset := MediaType.among(headers).charset) not in ("", "utf-8", "utf8"):
            raise self.invalid(op, f"text with the charset {quote(charset)}; text is sent as UTF-8: declare that, or return base64")
        return body


def as_value(response: MockResponse | TemplateResponse) -> Response:
    """The checked response as the contract's value type."""
    headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers)
    if isinstance(response, TemplateResponse):
        return Response(response.status, headers, template=response.template, vars=response.vars)
    return Response(response.status, headers, response.body)
