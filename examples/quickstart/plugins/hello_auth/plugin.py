"""Accepts requests that carry a known key. The secret `api_keys` lists them: "key=name,other-key=other-name"."""

import hmac

from mockforge_plugin import Allow, AuthPlugin, Decision, Deny, Principal, Request, secret


class HelloAuth(AuthPlugin):
    """Looks at one header, compares in constant time."""

    def init(self) -> None:
        """Read the keys once per instance."""
        entries = (entry.strip().partition("=") for entry in secret("api_keys").split(","))
        self.keys = [(key.encode(), name or "anonymous") for key, _, name in entries if key]

    def authenticate(self, request: Request) -> Decision:
        """Allow, or say what to send."""
        header = self.config["header"]
        sent = request.header(header)
        challenge = f'ApiKey realm="hello", header="{header}"'
        if sent is None:
            return Deny(401, f"send your key in the header {header}", challenge)
        found = [name for key, name in self.keys if hmac.compare_digest(key, sent.encode())]
        return Allow(Principal(found[0], roles=("reader",))) if found else Deny(401, "unknown key", challenge)
