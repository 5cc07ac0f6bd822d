"""Pages of logins, and who gets them: plain HTML, escaped, without scripts."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from typing import Final

from mockforge_plugin.pairs import Pairs
from mockforge_plugin.request import Request
from mockforge_plugin.values import Response

_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.4rem 1rem;margin:.2rem 0}"
)
_STYLE_SOURCE: Final = f"'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"


def is_navigation(request: Request) -> bool:
    """Whether a person's browser goes to a page, and may be sent to a login: all others want a 401.

    Needs the headers `accept`, `sec-fetch-mode` and `x-requested-with`.
    """
    if request.method != "GET" or "text/html" not in (request.header("accept") or ""):
        return False
    return request.header("sec-fetch-mode", "navigate") == "navigate" and request.header("x-requested-with") is None


def page(
    title: str, body: str, *, status: int = 200, headers: Iterable[tuple[str, str]] = (), form_targets: Iterable[str] = ("'self'",)
) -> Response:
    """A page with that title; `body` is HTML, in which whatever is not the plugin's own must be escaped (`html.escape`).

    Nobody keeps it, frames it or runs scripts in it. Its forms go to `form_targets` alone (CSP sources): browsers hold redirects that
    answer a form to them, too. Needs `content-security-policy` under `response.set_headers`.
    """
    policy = f"default-src 'none'; style-src {_STYLE_SOURCE}; form-action {' '.join(form_targets)}; frame-ancestors 'none'; base-uri 'none'"
    sent: Pairs = (("content-security-policy", policy), ("cache-control", "no-store"), ("referrer-policy", "no-referrer"), *headers)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return Response.html(
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>', status, sent
    )
