"""Reads the usual results of plugins that run in this process straight from their values, without JSON in between.

There is one set of rules, that of the kit and of `results.py`, by which all results of all runtimes are read. What is read here is what
both are known to accept, as the value that they give: exact types of Python and of the kit, small, in ordinary shapes. Anything else, and
so all that is wrong, is `UNUSUAL`: it goes by way of JSON, which alone has words for errors. What is given shares nothing with the plugin
that could be changed.

An Allow that a plugin keeps and gives again and again is read once, and once more whenever its claims or attributes have changed.
"""

from __future__ import annotations

from marshal import dumps, loads
from typing import Any, Final, TypeAlias

from mockforge_asgi.contract import Allow, Deny, Principal, Reply
from mockforge_asgi.contract.results import ResultReader, as_value
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.pairs import Headers as KitHeaders
from mockforge_plugin.request import Answer
from mockforge_plugin.slots import set_known, setters
from mockforge_plugin.values import Body, Response

Unusual: TypeAlias = Any
UNUSUAL: Final[Unusual] = object()
"""Nothing was read: the result is to go by way of JSON."""

MAX_CHARS: Final = 4000
"""The most characters of a result's texts, besides a body. Each has six bytes of JSON at most: with all else that is less than
`results.MAX_CLAIMS_BYTES`."""
MAX_VALUES: Final = 64
"""The most values of a result's data."""
_MAX_DEPTH: Final = 8
_REST_BYTES: Final = 5000
"""More than what a result's JSON has besides its texts and its body: names, signs, numbers."""
_MAX_REASON: Final = 500
_ESCAPED: Final = bytes([*range(32), *b'"\\'])
"""What has up to six bytes in JSON instead of one."""
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1
_STRINGS: Final = frozenset({str})
_ONCE: Final = (None, None, None)
"""What is known of an Allow that came once: neither who read it, nor its content, nor what was made of it."""
_EXACT: Final = 2
"""The version of `marshal` that writes every value whole, with its exact type: what is written alike is alike."""
_JSON: Final = ((b"content-type", b"application/json"),)
_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)
_UTF_8: Final = ("", "utf-8", "utf8")

# As the constructors do it, without calling them: each guarded request makes both.
_new: Final = object.__new__
_set_principal, _set_claims, _set_set_headers = setters(Allow)
_set_id, _set_roles, _set_groups, _set_name, _set_email, _set_attributes = setters(Principal)


class UsualResults:
    """Reads the usual results of one plugin, whose other ones `reader` reads. `output_bytes` is the most that a result has as JSON."""

    __slots__ = ("_headers", "_most_chars", "_output_bytes")

    def __init__(self, reader: ResultReader, output_bytes: int) -> None:
        self._headers = reader.guest_headers
        self._most_chars = min(MAX_CHARS, (output_bytes - _REST_BYTES) // 6)
        self._output_bytes = output_bytes - _REST_BYTES - 6 * MAX_CHARS

    def decision(self, value: Any) -> Any:
        """The result of `authenticate`: a Decision."""
        if value is None:
            return None
        kind = type(value)
        try:
            if kind is Allow:
                return self._allow(value)
            if kind is Deny:
                return value if self._is_deny(value) else UNUSUAL
            if kind is Reply and type(value.response) is Response:
                response = self.response(value.response)
                return UNUSUAL if response is UNUSUAL else Reply(as_value(response))
        except (AttributeError, TypeError):  # made without its constructor, or of types that pretend to be others
            pass
        return UNUSUAL

    def _allow(self, value: Allow) -> Any:
        known: Any = value._known
        if known is None:  # most are made for one request: whether this one comes again is not known yet
            if (made := self._made(value, value.claims)) is not UNUSUAL:
                set_known(value, _ONCE)
            return made
        claims: Any = value.claims
        attributes: Any = value.principal.attributes
        content = None
        if claims or attributes:
            try:
                content = dumps((claims, attributes), _EXACT)
            except ValueError:  # something that was not there before
                return self._made(value, claims)
        reader, read, made = known
        if reader is self and read == content:
            return made
        made = self._made(value, *(loads(content) if content else (claims,)))
        if made is not UNUSUAL and type(value.principal.roles) is type(value.principal.groups) is tuple and not made.set_headers:
            set_known(value, (self, content, made))
        return made

    def _made(self, value: Allow, claims: Any, attributes: Any = None) -> Any:
        pairs: Any = value.set_headers
        principal = value.principal
        if type(principal) is not Principal:
            return UNUSUAL
        attributes = principal.attributes if attributes is None else attributes
        texts = identity = principal.id
        name, email = principal.name, principal.email
        roles: Any = principal.roles
        groups: Any = principal.groups
        if type(identity) is not str or not identity or type(claims) is not dict or type(attributes) is not dict:
            return UNUSUAL
        if type(roles) is not tuple:
            roles = tuple(roles) if type(roles) is list else UNUSUAL
        if type(groups) is not tuple:
            groups = tuple(groups) if type(groups) is list else UNUSUAL
        if roles is UNUSUAL or groups is UNUSUAL:
            return UNUSUAL
        if roles or groups or name is not None or email is not None:
            rest = (*roles, *groups, "" if name is None else name, "" if email is None else email)
            if len(rest) > MAX_VALUES or not _STRINGS.issuperset(map(type, rest)):
                return UNUSUAL
            texts = "".join((identity, *rest))
        left = [self._most_chars - len(texts), MAX_VALUES]
        if left[0] < 0 or not (texts.isascii() or _is_unicode(texts)):
            return UNUSUAL
        claims = _copied(claims, left, 0) if claims else {}
        attributes = _copied(attributes, left, 0) if attributes else {}
        headers = () if (type(pairs) is tuple or type(pairs) is list) and not pairs else self._pairs(pairs, left[0])
        if claims is UNUSUAL or attributes is UNUSUAL or headers is UNUSUAL:
            return UNUSUAL
        caller, made = _new(Principal), _new(Allow)
        _set_id(caller, identity)
        _set_roles(caller, roles)
        _set_groups(caller, groups)
        _set_name(caller, name)
        _set_email(caller, email)
        _set_attributes(caller, attributes)
        _set_principal(made, caller)
        _set_claims(made, claims)
        _set_set_headers(made, headers)
        return made

    def _pairs(self, pairs: object, most_chars: int) -> Any:
        headers = self._wire(pairs, most_chars)
        return UNUSUAL if headers is UNUSUAL else tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in headers)

    def _wire(self, pairs: Any, most_chars: int) -> Any:
        headers = self._headers.usual(tuple(pairs) if type(pairs) is KitHeaders else pairs, most_chars)
        return UNUSUAL if headers is None else headers

    def _is_deny(self, value: Deny) -> bool:
        """Whether it is one as it stands."""
        reason, challenge = value.reason, value.challenge
        if type(value.status) is not int or not 400 <= value.status <= 599 or type(reason) is not str or not 0 < len(reason) <= _MAX_REASON:
            return False
        if len(reason) > self._most_chars or not (reason.isascii() or _is_unicode(reason)):
            return False
        if challenge is None:
            return True
        is_plain = type(challenge) is str and challenge.isascii() and challenge.isprintable()
        return is_plain and len(challenge) + len(reason) <= self._most_chars

    def generated(self, value: Any) -> Any:
        """The result of `generate`: a MockResponse or TemplateResponse, or None."""
        return None if value is None else self.response(value)

    def response(self, value: Any) -> Any:
        """A response: a MockResponse or TemplateResponse."""
        kind = type(value)
        try:
            if kind is Response:
                return self._response(value)
            if kind is dict or kind is list:
                body = encode(value).encode()
                return MockResponse(200, _JSON, body) if self._fits(body) else UNUSUAL
            if kind is str and (value.isascii() or _is_unicode(value)):
                body = value.encode()
                return MockResponse(200, _TEXT, body) if self._fits(body) else UNUSUAL
        except (AttributeError, WrongAnswer):
            pass
        return UNUSUAL

    def _response(self, value: Response) -> Any:
        status, headers = value.status, value.headers
        body: Any = value.body
        if type(status) is not int or not 200 <= status <= 599:
            return UNUSUAL
        sent = self._wire(headers, self._most_chars)
        if sent is UNUSUAL:
            return UNUSUAL
        template = value.template
        if template is not None:
            if type(template) is not str or type(value.vars) is not dict or len(template) > self._most_chars or not template.isascii():
                return UNUSUAL
            variables = _copied(value.vars, [self._most_chars - len(template), MAX_VALUES], 0) if value.vars else {}
            return UNUSUAL if variables is UNUSUAL else TemplateResponse(status, sent, template, variables)
        if type(body) is str and (body.isascii() or _is_unicode(body)):
            body = body.encode()
        if type(body) is not bytes or not self._fits(body):
            return UNUSUAL
        if not body.isascii() and MediaType.among(sent).charset not in _UTF_8:
            return UNUSUAL
        return MockResponse(status, sent, body)

    def modified(self, value: Any) -> Any:
        """The result of `modify`: None, or a MockResponse and whether it has a body of its own."""
        kind = type(value)
        if value is None or kind is Answer:
            return None
        if kind is not Response:
            return UNUSUAL
        try:
            body = value.body
            if type(body) is Body and body.data is None and value.template is None:
                value = Response(value.status, value.headers)
                body = None
        except AttributeError:
            return UNUSUAL
        response = self.response(value)
        return (response, body is not None) if type(response) is MockResponse else UNUSUAL

    def flag(self, value: Any) -> Any:
        """The result of `can_handle`."""
        return value if value is True or value is False else UNUSUAL

    def data(self, value: Any) -> Any:
        """The result of a template function, or what it is called with."""
        kind = type(value)
        if kind is str:
            return value if len(value) <= self._most_chars and (value.isascii() or _is_unicode(value)) else UNUSUAL
        if value is None or value is True or value is False:
            return value
        if kind is dict or kind is list or kind is tuple:
            return _copied(value, [self._most_chars, MAX_VALUES], 0)
        is_number = (kind is int and _MIN_INT <= value <= _MAX_INT) or (kind is float and value - value == 0)
        return value if is_number else UNUSUAL

    def _fits(self, body: bytes) -> bool:
        """Whether a body is surely not too long as JSON, whether as text or in base64."""
        size, most = len(body), self._output_bytes
        return 6 * size <= most or max(size + 5 * (size - len(body.translate(None, _ESCAPED))), 4 * size // 3 + 4) <= most


def _copied(value: Any, left: list[int], depth: int) -> Any:
    """A copy of usual data; `left` is how many characters and values there may be, less than that afterwards."""
    left[1] -= len(value)
    if depth > _MAX_DEPTH or left[1] < 0:
        return UNUSUAL
    is_dict = type(value) is dict
    items = list(value.items()) if is_dict else list(enumerate(value))
    made: Any = {} if is_dict else [None] * len(items)
    for key, item in items:
        if is_dict:
            if type(key) is not str or not (key.isascii() or _is_unicode(key)):
                return UNUSUAL
            left[0] -= len(key)
        kind = type(item)
        if kind is str:
            left[0] -= len(item)
            if not (item.isascii() or _is_unicode(item)):
                return UNUSUAL
        elif kind is int:
            if not _MIN_INT <= item <= _MAX_INT:
                return UNUSUAL
        elif kind is dict or kind is list or kind is tuple:
            item = _copied(item, left, depth + 1)
            if item is UNUSUAL:
                return UNUSUAL
        elif kind is float:
            if item - item != 0:
                return UNUSUAL
        elif item is not None and item is not True and item is not False:
            return UNUSUAL
        made[key] = item
    return UNUSUAL if left[0] < 0 else made


def _is_unicode(text: str) -> bool:
    """Whether it has no lone surrogate, which UTF-8 cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
