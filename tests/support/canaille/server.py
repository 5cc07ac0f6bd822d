"""A second OpenID provider that we did not write: PyPI's canaille (Python, Flask), in a process of its own.

    python server.py PORT CALLBACK

It knows the user `ada` with the password `ada-password` and the client `web`, and prints a line of JSON once it listens.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def configuration(port: int) -> dict[str, Any]:
    """Everything in memory, over plain http on the loopback."""
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"})
    key.ensure_kid()
    return {
        "TESTING": False,
        "ENV_FILE": None,
        "SECRET_KEY": "of the tests",
        "PREFERRED_URL_SCHEME": "http",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "SMTP": None, "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}}},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
    }


def populate(callback: str) -> None:
    """The user, and the client with its consent."""
    from canaille.app import models
    from canaille.backends import Backend

    ada = models.User(
        user_name="ada", formatted_name="Ada Lovelace", family_name="Lovelace", emails=["ada@example.com"], password="ada-password"
    )
    Backend.instance.save(ada)
    Backend.instance.save(models.Group(display_name="staff", members=[ada]))
    client = models.Client(
        client_id="web",
        client_name="Web",
        client_secret="web-secret",
        client_uri="http://127.0.0.1/",  # a trusted domain, for which nobody is asked to consent
        client_id_issued_at=datetime.datetime.now(datetime.UTC),
        redirect_uris=[callback],
        post_logout_redirect_uris=[callback.replace("callback", "logout")],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "profile", "email", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    Backend.instance.save(client)
    client.audience = [client]  # else its tokens are for nobody
    Backend.instance.save(client)


def main(port: int, callback: str) -> None:
    """Serve until the standard input ends."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    logging.disable(logging.WARNING)
    from canaille import create_app

    app = create_app(config=configuration(port))
    with app.app_context():
        populate(callback)
    with make_server("127.0.0.1", port, app, handler_class=_Silent) as server:
        print(json.dumps({"issuer": f"http://127.0.0.1:{port}"}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
