"""Pages of logins, and who gets them: plain HTML, escaped, without scripts but for one that a page may have."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from html import escape
from typing import Any, Final, ParamSpec, TypeAlias

from mockforge_plugin.failure import HostError, PluginError
from mockforge_plugin.host import log
from mockforge_plugin.pairs import Pairs
from mockforge_plugin.request import Request
from mockforge_plugin.values import Response

_P = ParamSpec("_P")
_Method: TypeAlias = Callable[_P, Coroutine[Any, Any, Response]]
_STORAGE: Final = "Logins cannot be kept at the moment. Try again later."
_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.4rem 1rem;margin:.2rem 0}"
)


def is_navigation(request: Request) -> bool:
    """Whether a person's browser goes to a page, and may be sent to a login: all others want a 401.

    Needs the headers `accept`, `sec-fetch-mode` and `x-requested-with`.
    """
    if request.method != "GET" or "text/html" not in (request.header("accept") or ""):
        return False
    return request.header("sec-fetch-mode", "navigate") == "navigate" and request.header("x-requested-with") is None


def page(
    title: str,
    body: str,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    form_targets: Iterable[str] | None = ("'self'",),
    style: str = "",
    script: str = "",
    referrer: str = "no-referrer",
) -> Response:
    """A page with that title; `body` is HTML, in which whatever is not the plugin's own must be escaped (`html.escape`).

    Nobody keeps it, frames it or runs scripts in it, but for `script`, which stands at its end. Its forms go to `form_targets` alone (CSP
    sources; None: anywhere): browsers hold redirects that answer a form to them, too. With the `referrer` policy `no-referrer`, a form
    is sent with `Origin: null`. `style` is added to the page's own. Needs `content-security-policy` under `response.set_headers`.
    """
    style = _STYLE + style
    policy = ["default-src 'none'", f"style-src {_hash(style)}", "frame-ancestors 'none'", "base-uri 'none'"]
    if script:
        policy.append(f"script-src {_hash(script)}")
    if form_targets is not None:
        policy.append(f"form-action {' '.join(form_targets)}")
    sent: Pairs = (("content-security-policy", "; ".join(policy)), ("cache-control", "no-store"), ("referrer-policy", referrer), *headers)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{style}</style>'
    body += f"<script>{script}</script>" if script else ""
    return Response.html(
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>', status, sent
    )


def storage_page(title: str) -> Callable[[_Method[_P]], _Method[_P]]:
    """For methods that answer browsers: where key-value storage is full or away, a page of that title says so (503), and the log why."""

    def mark(method: _Method[_P]) -> _Method[_P]:
        @wraps(method)
        async def called(*args: _P.args, **kwargs: _P.kwargs) -> Response:
            try:
                return await method(*args, **kwargs)
            except PluginError as error:
                if error.code != "unavailable" and not (error.code == "limit" and isinstance(error, HostError)):
                    raise
                log.warning(f"the storage of logins is full or away: {error}")
                return page(title, f"<p>{_STORAGE}</p>", status=503, headers=[("retry-after", "5")])

        return called

    return mark


def _hash(text: str) -> str:
    """The CSP source of an inline style or script (CSP3 §2.3.1)."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
