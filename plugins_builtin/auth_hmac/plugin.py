"""auth-hmac: callers that sign their requests with a shared secret.

How depends on the preset: HTTP Message Signatures (`signatures`) or somebody's webhooks (`webhooks`). The same files run native and
sandboxed.
"""

from __future__ import annotations

from collections.abc import Mapping

from mockforge_plugin import Allow, AuthPlugin, Deny, Json, PluginError, Request, secret

from .dictionaries import Malformed
from .keys import read_keys
from .signatures import Refused, Signatures
from .webhooks import Webhooks
from .window import Window

_ONLY_RFC9421: tuple[tuple[str, Json], ...] = (
    ("cover", []),
    ("may_cover", []),
    ("authority", True),
    ("label", None),
    ("nonce", "required"),
)


class HmacAuth(AuthPlugin):
    """Accepts signed requests."""

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        preset = config["preset"]
        problems = read_keys(config, secret)[1]
        if preset != "rfc9421":
            what = f"has no effect on webhooks of {preset}: what they sign is theirs to say. Remove it."
            problems += [(name, what) for name, default in _ONLY_RFC9421 if config.get(name, default) != default]
        if config.get("replay") == "allow" and preset == "rfc9421":
            problems.append(("replay", "a signature that is good for many requests has no use for its nonce. Remove it, or write refuse."))
        return problems

    def init(self) -> None:
        """Read the keys."""
        keys, problems = read_keys(self.config, secret)
        if problems:
            raise PluginError("; ".join(f"{place}: {what}" for place, what in problems), code="invalid_config")
        window = Window.of(self.config)
        preset = self.config["preset"]
        self.checks = Signatures(self.config, keys, window) if preset == "rfc9421" else Webhooks(preset, keys, window)
        self.challenge = f'Signature realm="{self.config["realm"]}"'

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that show nothing."""
        return {"schemes": ["Signature"], "challenge": 'Signature realm="{config.realm}"'}

    async def authenticate(self, request: Request) -> Allow | Deny | None:
        """The decision about the signature, if there is one."""
        try:
            key = await self.checks.check(request)
        except Malformed as error:
            return Deny(400, str(error))
        except Refused as error:
            return Deny(401, str(error), self.challenge)
        return None if key is None else key.allow
