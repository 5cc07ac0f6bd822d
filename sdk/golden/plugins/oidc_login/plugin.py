"""Login by redirect, as OpenID Connect does it: state cookie, callback endpoint, one-time nonce, session cookie.

The code is exchanged at the provider's token endpoint; the provider's answer is trusted as it came over the host's TLS
(OpenID Connect Core §3.1.3.7 (6)), so no signature is checked here.
"""

import base64
import hashlib
import hmac
import json
import secrets
from urllib.parse import urlencode

from mockforge_plugin import Allow, AuthPlugin, Deny, Principal, Reply, Response, cookie, endpoint, http, kv, now, secret

STATE_COOKIE, SESSION_COOKIE = "oidc_state", "session"


class OidcLogin(AuthPlugin):
    def validate_config(self, config):
        return [(name, "is required") for name in ("authorize_url", "token_url", "client_id", "redirect_uri") if not config.get(name)]

    def capabilities(self):
        return {"schemes": ["OpenID Connect"], "redirects": True}

    async def authenticate(self, request):
        session = request.cookies.get(SESSION_COOKIE)
        if session is not None:
            found = await kv.get(f"session:{session}")
            if found is not None:
                return Allow(Principal(found["sub"], name=found.get("name"), roles=tuple(found.get("roles", ()))), claims=found)
        if request.header("accept", "").startswith("application/json"):
            return Deny(401, "log in first", "Cookie")
        return Reply(await self.to_login(request.path))

    async def to_login(self, back_to):
        state, nonce = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        await kv.set(f"login:{state}", {"nonce": nonce, "back_to": back_to}, ttl_s=600)
        query = urlencode({"response_type": "code", "client_id": self.config["client_id"], "redirect_uri": self.config["redirect_uri"],
                           "scope": "openid profile", "state": state, "nonce": nonce})
        return Response.redirect(f"{self.config['authorize_url']}?{query}",
                                 headers=[cookie(STATE_COOKIE, f"{state}.{self.sign(state)}", max_age_s=600, path="/auth")])

    @endpoint("callback")
    async def callback(self, request):
        state, code = request.query.get("state", ""), request.query.get("code")
        kept, _, signature = request.cookies.get(STATE_COOKIE, "").partition(".")
        if not state or kept != state or not hmac.compare_digest(signature, self.sign(state)):
            return Response.json({"error": "this login was not begun here"}, 400)
        login = await kv.get(f"login:{state}")
        if login is None or not await kv.delete(f"login:{state}"):
            return Response.json({"error": "this login has expired or was used"}, 400)
        form = urlencode({"grant_type": "authorization_code", "code": code or "", "redirect_uri": self.config["redirect_uri"],
                          "client_id": self.config["client_id"], "client_secret": secret("oidc_client_secret")})
        answer = await http.post(self.config["token_url"], headers={"content-type": "application/x-www-form-urlencoded"}, body=form)
        if answer.status != 200:
            return Response.json({"error": "the provider refused the code"}, 502)
        claims = decode_claims(answer.json()["id_token"])
        if claims.get("nonce") != login["nonce"] or claims.get("aud") != self.config["client_id"] or claims["exp"] <= now().timestamp():
            return Response.json({"error": "the provider's token is not for this login"}, 400)
        if not await kv.add_if_absent(f"nonce:{login['nonce']}", True, ttl_s=3600):
            return Response.json({"error": "this login was used before"}, 400)
        session = secrets.token_urlsafe(16)
        await kv.set(f"session:{session}", {k: claims[k] for k in ("sub", "name", "roles") if k in claims}, ttl_s=3600)
        return Response.redirect(login["back_to"], 303, headers=[cookie(SESSION_COOKIE, session, max_age_s=3600),
                                                                 cookie(STATE_COOKIE, "", max_age_s=0, path="/auth")])

    def sign(self, text):
        key = secret("oidc_client_secret").encode()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def decode_claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
