"""A single-page application with npm's `oidc-client-ts`: it logs in, asks for userinfo and refreshes from another origin, and logs out."""

from __future__ import annotations

from html import escape
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

_LIBRARY = Path("node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js")
_PAGE = """<!doctype html><html lang="en"><head><title>SPA</title><link rel="icon" href="data:,"></head>
<body data-authority="{authority}"><button id="in">Log in</button><button id="again">Refresh</button><button id="out">Log out</button>
<pre id="said"></pre><script src="/oidc-client-ts.js"></script>
<script>
const said = (what) => document.getElementById("said").textContent = what;
const here = location.origin + "/";
const manager = new oidc.UserManager({{
  authority: document.body.dataset.authority, client_id: "spa", redirect_uri: here, post_logout_redirect_uri: here + "?bye",
  scope: "openid profile email", loadUserInfo: true, automaticSilentRenew: false,
}});
const on = (id, act) => document.getElementById(id).onclick = () => act().catch((error) => said("refused: " + error.message));
on("in", () => manager.signinRedirect());
on("again", async () => {{ const user = await manager.signinSilent(); said("refreshed " + user.profile.sub); }});
on("out", () => manager.signoutRedirect());
const query = new URLSearchParams(location.search);
if (query.has("state") && !query.has("bye"))
  manager.signinCallback().then((user) => said(user.profile.sub + " " + user.profile.email), (error) => said("refused: " + error.message));
else said(query.has("bye") ? "bye" : "nobody");
</script></body></html>"""


def spa(issuer: str, packages: Path) -> Starlette:
    """The application, for a provider; `packages` has the library's."""

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(_PAGE.format(authority=escape(issuer)))

    async def library(request: Request) -> FileResponse:
        return FileResponse(packages / _LIBRARY)

    return Starlette(routes=[Route("/", page), Route("/oidc-client-ts.js", library)])
