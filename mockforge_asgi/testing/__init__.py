"""What tests are written with: `Client` calls an ASGI app, `Harness` a plugin; both in the process of the test, without server or sockets.

    async with Client(MockForge(app, "mockforge.yaml")) as client:
        response = await client.get("/hello/Ada", headers={"x-api-key": "k1"})
        assert response.status == 200 and response.json() == {"hello": "Ada"}

The `async with` runs the app's lifespan; without it, plugins start with the first request. Exceptions of the app reach the test.

    async with Harness(Path("plugins/shouts")) as plugin:
        outcome = await plugin.call("template.call", {"function": "shout", "args": ["hello"]})
        assert outcome.answer == "HELLO"

`Server` serves an app or a configuration on the loopback, for clients that want a real one:

    with Server("mockforge.yaml") as server:
        assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}

`OidcProvider` is such a server of the built-in OpenID provider, which hands out good tokens and bad ones:

    with OidcProvider() as idp:
        headers = {"authorization": f"Bearer {idp.token('ada', defect='expired')}"}

`SamlProvider` is one of the built-in SAML identity provider, and its responses:

    with SamlProvider() as idp:
        form = {"SAMLResponse": idp.response("ada", acs=acs, audience=entity_id, defect="unsigned")}

pytest has them as the fixtures `mockforge_server`, `mockforge_idp` and `mockforge_saml_idp`, of the plugin that comes with the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockforge_asgi.plugins.testkit.case_verdict import Difference as Difference
    from mockforge_asgi.plugins.testkit.case_verdict import Verdict as Verdict
    from mockforge_asgi.plugins.testkit.cases import Case as Case
    from mockforge_asgi.plugins.testkit.harness import Harness as Harness
    from mockforge_asgi.plugins.testkit.outcome import Outcome as Outcome
    from mockforge_asgi.testing.client import Client as Client
    from mockforge_asgi.testing.client import Conversation as Conversation
    from mockforge_asgi.testing.client import Response as Response
    from mockforge_asgi.testing.oidc import OidcClient as OidcClient
    from mockforge_asgi.testing.oidc import OidcProvider as OidcProvider
    from mockforge_asgi.testing.saml import SamlProvider as SamlProvider
    from mockforge_asgi.testing.server import Server as Server

_MODULES = {
    "Case": "plugins.testkit.cases",
    "Client": "testing.client",
    "Conversation": "testing.client",
    "Difference": "plugins.testkit.case_verdict",
    "Harness": "plugins.testkit.harness",
    "OidcClient": "testing.oidc",
    "OidcProvider": "testing.oidc",
    "Outcome": "plugins.testkit.outcome",
    "Response": "testing.client",
    "SamlProvider": "testing.saml",
    "Server": "testing.server",
    "Verdict": "plugins.testkit.case_verdict",
}
"""Where each name is, loaded when it is first asked for: pytest loads this package in every run, whether or not a test uses it."""

__all__ = [
    "Case",
    "Client",
    "Conversation",
    "Difference",
    "Harness",
    "OidcClient",
    "OidcProvider",
    "Outcome",
    "Response",
    "SamlProvider",
    "Server",
    "Verdict",
]


if not TYPE_CHECKING:  # or any name would be an attribute to a type checker

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return getattr(import_module(f"mockforge_asgi.{_MODULES[name]}"), name)
        raise AttributeError(f"module 'mockforge_asgi.testing' has no attribute '{name}'")
