"""Accepts requests that carry a known key; keys are a secret of the operator's."""

import hmac
import json

from mockforge_plugin import Allow, AuthPlugin, Deny, Principal, log, secret


class ApiKey(AuthPlugin):
    def init(self):
        self.header = self.config.get("header", "X-API-Key")

    def capabilities(self):
        return {"schemes": ["ApiKey"], "challenge": "ApiKey"}

    def authenticate(self, request):
        key = request.header(self.header)
        if key is None:
            return None
        for known, person in json.loads(secret("api_keys")).items():
            if hmac.compare_digest(key.encode(), known.encode()):
                return Allow(
                    Principal(person["id"], roles=tuple(person.get("roles", ())), name=person.get("name")),
                    claims={"key_ends": key[-2:], "path": request.path},
                    set_headers=[("x-seen", person["id"])],
                )
        log.info(f"unknown key for {request.path}")
        return Deny(401, "unknown key", "ApiKey")
