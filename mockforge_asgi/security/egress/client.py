"""HTTP requests of plugins, only to where a rule allows, checked after name resolution.

Names are resolved here, every address is checked, and the connection goes to a checked address with the name in SNI and
Host; nothing looks the name up again. No proxies, no cookies, no `.netrc`. Reading what was asked is
`security/egress/request.py`; the rules are `config/network.py`, and which addresses lie inside is `config/hosts.py`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from mockforge_asgi.config.hosts import is_address, is_inside
from mockforge_asgi.config.network import NetworkRule
from mockforge_asgi.errors import HostCallError, UnsupportedPlatform
from mockforge_asgi.exact_json import Json
from mockforge_asgi.http.inflate import BoundedBody
from mockforge_asgi.http.request_document import long_body_document
from mockforge_asgi.security.egress.addresses import is_never_meant, is_own
from mockforge_asgi.security.egress.metering import Allowance, Metered
from mockforge_asgi.security.egress.request import Pair, Spec, Target, read_spec
from mockforge_asgi.security.egress.resolver import Lookups, Resolver, system_resolver

try:
    import httpcore2
except ImportError as error:
    raise UnsupportedPlatform("plugins with network grants need the http extra: pip install 'mockforge-asgi[http]'") from error


_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_IDLE = 8
_MAX_ADDRESSES = 16  # of one name: whoever serves it may give thousands, and each is checked on the loop


@dataclass(frozen=True, slots=True)
class EgressLimits:
    """What one plugin may use of the network. Bytes of bodies count before and after decompression, those around them in `metering.py`."""

    max_request_bytes: int = 1024 * 1024
    max_response_bytes: int = 4 * 1024 * 1024
    timeout_s: float = 10.0
    max_concurrent: int = 16
    max_redirects: int = 5


class Egress:
    """The HTTP client of one plugin, under its rules (None: anywhere); keeps a few connections open. Belongs to one event loop."""

    def __init__(self, rules: Iterable[NetworkRule] | None, limits: EgressLimits | None = None, *, resolver: Resolver | None = None,
                 ssl_context: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:  # fmt: skip
        self.limits = limits or EgressLimits()
        self._rules = None if rules is None else tuple(rules)
        self._lookups, self._make_context = Lookups(resolver or system_resolver), ssl_context
        self._context: ssl.SSLContext | None = None
        self._slots = asyncio.Semaphore(self.limits.max_concurrent)
        self._idle: list[_Connection] = []
        self._is_closed = False
        _keep_answers_out_of_logs()

    async def request(self, payload: Mapping[str, Json]) -> Json:
        """Answer an `http.request`: `{"status", "headers", "body"}`. Raises HostCallError."""
        spec = read_spec(payload, max_body_bytes=self.limits.max_request_bytes)
        self.rule_for(spec.target)
        timeout_s = min(self.limits.timeout_s, spec.timeout_s or self.limits.timeout_s)
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                return await self._follow(spec)
        except TimeoutError:
            message = f"no answer from {spec.target.scheme}://{spec.target.authority} within {timeout_s:g} s"
            raise HostCallError("timeout", message, retryable=True) from None
        except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
            raise HostCallError(
                "unavailable", f"{spec.target.scheme}://{spec.target.authority}: {_words(error)}", retryable=True
            ) from error
        except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
            raise HostCallError(
                "unavailable", f"{spec.target.scheme}://{spec.target.authority} does not speak HTTP: {_words(error)}"
            ) from error

    def rule_for(self, target: Target) -> NetworkRule:
        """The rule that allows the place. Raises HostCallError (`denied`)."""
        if self._rules is None:
            return NetworkRule(target.scheme, target.host, target.port, private=True)
        allowed = [rule for rule in self._rules if rule.matches(target.scheme, target.host, target.port)]
        if not allowed:
            raise HostCallError("denied", f"{target.scheme}://{target.host}:{target.port} is not among the places granted to this plugin")
        return next((rule for rule in allowed if rule.private), allowed[0])

    async def close(self) -> None:
        """Close the connections kept open; those in use are closed after their answer."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.http.aclose()
        self._lookups.close()

    async def _follow(self, spec: Spec) -> Json:
        for _ in range(self.limits.max_redirects + 1):
            status, headers, body = await self._exchange(spec)
            location = next((value for name, value in headers if name == "location"), None)
            if not spec.follow_redirects or status not in _REDIRECTS or location is None:
                return {"status": status, "headers": [list(pair) for pair in headers], "body": await long_body_document(body)}
            spec = spec.redirected(status, location)
        raise HostCallError("unavailable", f"more than {self.limits.max_redirects} redirects")

    async def _exchange(self, spec: Spec) -> tuple[int, list[Pair], bytes]:
        connection = await self._connection(spec.target)
        connection.allowance.head()
        kept = False
        try:
            answer = await connection.http.handle_async_request(_wire(spec))
            connection.allowance.body(self.limits.max_response_bytes)
            headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers
                       if name.lower() not in _HOP_BY_HOP]  # fmt: skip
            bodiless = spec.method == "HEAD" or answer.status in (204, 304)
            encoding = "" if bodiless else ",".join(value for name, value in headers if name == "content-encoding")
            body = BoundedBody(encoding, self.limits.max_response_bytes)
            async for piece in answer.aiter_stream():
                for _ in body.feed(piece):
                    await asyncio.sleep(0)
            await answer.aclose()
            whole = body.whole()
            kept = self._keep(connection)
        finally:
            if not kept:
                await connection.http.aclose()
        if encoding:
            headers = [pair for pair in headers if pair[0] not in ("content-encoding", "content-length")]
        return answer.status, headers, whole

    async def _connection(self, target: Target) -> _Connection:
        """A connection to a checked address: one kept open, or a new one."""
        rule = self.rule_for(target)
        kept = await self._kept(target.origin)
        if kept is not None:
            return kept
        addresses = await self._checked_addresses(target, rule)
        if target.scheme == "https" and self._context is None:
            self._context = await asyncio.to_thread(self._make_context)  # reads every certificate of the system
        origin = httpcore2.Origin(target.scheme.encode(), target.host.encode(), target.port)
        allowance = Allowance()
        backend = _Pinned(addresses, allowance)
        http = httpcore2.AsyncHTTPConnection(origin, self._context, keepalive_expiry=15.0, network_backend=backend)
        return _Connection(target.origin, http, allowance)

    async def _checked_addresses(self, target: Target, rule: NetworkRule) -> list[str]:
        is_literal = is_address(target.host)
        try:
            found = [target.host] if is_literal else (await self._lookups.addresses(target.host, target.port))[:_MAX_ADDRESSES]
            addresses = [ip_address(text.split("%", 1)[0]) for text in found]
        except (OSError, ValueError) as error:
            raise HostCallError("unavailable", f"the name {target.host!r} cannot be resolved: {_words(error)}", retryable=True) from error
        if not addresses:
            raise HostCallError("unavailable", f"the name {target.host!r} has no address", retryable=True)
        for address in addresses:
            if not rule.private and (is_inside(address) or is_own(address)):
                raise HostCallError(
                    "denied", f"{target.host!r} leads to an address inside; a rule with `private: true` for it would allow that"
                )
            if is_never_meant(address) and not is_literal:
                raise HostCallError("denied", f"{target.host!r} leads to a link-local, metadata or unspecified address")
        return [str(address) for address in addresses]

    async def _kept(self, origin: tuple[str, str, int]) -> _Connection | None:
        """A connection to that place that was kept open; those of any place that have ended are closed."""
        for ended in [c for c in self._idle if not c.http.is_available() or c.http.has_expired()]:
            if ended in self._idle:  # nobody else closes it meanwhile
                self._idle.remove(ended)
                await ended.http.aclose()
        found = next((c for c in self._idle if c.origin == origin), None)
        if found is not None:
            self._idle.remove(found)
        return found

    def _keep(self, connection: _Connection) -> bool:
        if self._is_closed or len(self._idle) >= _MAX_IDLE or not connection.http.is_idle() or _has_more(connection.http):
            return False
        self._idle.append(connection)
        return True


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    """A connection to a checked address, and what may still come over it."""

    origin: tuple[str, str, int]
    http: httpcore2.AsyncHTTPConnection
    allowance: Allowance


class _Pinned(httpcore2.AsyncNetworkBackend):
    """Connects to the given addresses, whatever name is asked for."""

    def __init__(self, addresses: Sequence[str], allowance: Allowance) -> None:
        self._addresses, self._allowance, self._backend = addresses, allowance, httpcore2.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                          socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None) -> httpcore2.AsyncNetworkStream:  # fmt: skip
        return cast(httpcore2.AsyncNetworkStream, Metered(await self._connect(port, timeout), self._allowance))

    async def _connect(self, port: int, timeout: float | None) -> httpcore2.AsyncNetworkStream:
        for address in self._addresses[:-1]:
            try:
                return await self._backend.connect_tcp(address, port, timeout=2.0)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(self._addresses[-1], port, timeout=timeout)


def _has_more(http: httpcore2.AsyncHTTPConnection) -> bool:
    """Whether more came than the answer, which must never be taken for the next one (RFC 9112 §6.3); True when in doubt."""
    state = getattr(getattr(http, "_connection", None), "_h11_state", None)
    return state is None or bool(state.trailing_data[0])


def _keep_answers_out_of_logs() -> None:
    """Unless somebody asks for the library's own log: it tells every header of an answer, cookies and tokens too."""
    log = logging.getLogger("httpcore2")
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)


def _wire(spec: Spec) -> httpcore2.Request:
    target = spec.target
    headers = [(b"host", target.authority.encode()), *((name.encode("latin-1"), value.encode("latin-1")) for name, value in spec.headers)]
    if not any(name == b"user-agent" for name, _ in headers):
        headers.append((b"user-agent", b"mockforge-asgi"))
    headers.append((b"accept-encoding", b"gzip, deflate"))
    if spec.body or spec.method in ("POST", "PUT", "PATCH"):
        headers.append((b"content-length", str(len(spec.body)).encode()))
    url = httpcore2.URL(scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode())
    return httpcore2.Request(spec.method.encode(), url, headers=headers, content=spec.body)


def _words(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text[:200]
