"""Where browsers reach this application: the addresses of a plugin's endpoints, and which pages are its own.

Never the Host header, which a client writes as it likes, but in development, for a browser on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from mockforge_plugin.failure import PluginError
from mockforge_plugin.login.cookies import is_loopback
from mockforge_plugin.request import Request
from mockforge_plugin.values import PluginInfo

_MISSING = (
    "public_url: outside development it must be known where browsers reach this application, since providers send them back there. "
    "Write it, such as `public_url: https://orders.example`"
)


@dataclass(frozen=True, slots=True)
class Site:
    """The application as browsers see it; without `public_url` as a browser on this machine asks for it."""

    public_url: str | None
    prefix: str

    @classmethod
    def of(cls, public_url: str | None, plugin: PluginInfo) -> Site:
        """As configured. Raises PluginError where the address is missing."""
        if not public_url and not plugin.development:
            raise PluginError(_MISSING, code="invalid_config")
        return cls(public_url.rstrip("/") if public_url else None, plugin.prefix or f"/{plugin.id}")

    def base(self, request: Request) -> str:
        """The address of the application, without a final slash. Raises PluginError where it must be configured."""
        if self.public_url is not None:
            return self.public_url
        if not is_loopback(request.host):
            raise PluginError("public_url: this browser is on another machine, and so it must be configured", code="invalid_config")
        return f"{request.scheme}://{request.host}"

    def url(self, request: Request, endpoint: str) -> str:
        """The address of an endpoint of the plugin."""
        return f"{self.base(request)}{self.prefix}/{endpoint}"

    def path(self, request: Request, path: str) -> str:
        """A path of the application, as browsers know it."""
        return urlsplit(self.base(request)).path + path

    def here(self, request: Request) -> str:
        """What the browser asked for: path and query."""
        base, path = urlsplit(self.base(request)).path, request.raw_path
        whole = path if path == base or path.startswith(f"{base}/") else base + path
        return f"{whole}?{request.query_string}" if request.query_string else whole

    def is_own_page(self, request: Request) -> bool:
        """Whether a request that changes something comes from a page of this application (Fetch Metadata, RFC 6454 §7)."""
        origin = request.header("origin")
        if origin is not None and origin != "null":
            return origin == origin_of(self.base(request))
        return request.header("sec-fetch-site") == "same-origin"


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL (RFC 6454 §6.2). Raises ValueError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    usual = port is None or port == {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}" + ("" if usual else f":{port}")


def url_problems(url: str, *, may_be_plain: bool) -> Iterator[str]:
    """What is wrong with a `public_url`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.query or parts.fragment:
        yield f"'{url}' is not an address of an application. Write one such as https://orders.example"
    elif not (url.isascii() and url.isprintable()) or " " in url:
        yield f"'{url}' has characters that must be encoded: a host in punycode (xn--…), a path in percent-encoding"
    elif parts.scheme == "http" and not is_loopback(parts.netloc) and not may_be_plain:
        yield "over plain http sessions can be read on the way. Write https, or `session: {secure: false}` for a network of your own"
