"""An application that logs people in by OpenID Connect, written with libraries that we did not write: Starlette and authlib's client.

`/login` sends the browser to the provider, `/callback` shows what came of it as JSON, `/logout` ends the session there.
"""

from __future__ import annotations

from typing import Any

from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route


def relying_party(discovery_url: str, client_id: str = "web", client_secret: str | None = "web-secret") -> Starlette:
    """The application, for a provider and a client of it."""
    oauth = OAuth()
    oauth.register(
        "idp",
        server_metadata_url=discovery_url,
        client_id=client_id,
        client_secret=client_secret,
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )
    provider: Any = oauth.create_client("idp")

    async def login(request: Request) -> Response:
        answer: Response = await provider.authorize_redirect(request, str(request.url_for("callback")), **request.query_params)
        return answer

    async def callback(request: Request) -> Response:
        try:
            tokens = await provider.authorize_access_token(request)
        except Exception as error:  # whatever the library raises is what is shown
            return JSONResponse({"refused": f"{type(error).__name__}: {error}"}, 401)
        request.session["id_token"] = tokens["id_token"]
        userinfo = await provider.userinfo(token=tokens)
        return JSONResponse({"claims": dict(tokens["userinfo"]), "userinfo": dict(userinfo), "access_token": tokens["access_token"]})

    async def logout(request: Request) -> Response:
        made = await provider.create_logout_url(str(request.url_for("bye")), id_token_hint=request.session.pop("id_token"))
        return RedirectResponse(made["url"])

    async def bye(request: Request) -> Response:
        return PlainTextResponse("bye")

    routes = [Route("/login", login), Route("/callback", callback), Route("/logout", logout), Route("/bye", bye)]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="of the tests")])
