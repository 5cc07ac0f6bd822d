"""auth-basic: user names and passwords as RFC 7617 sends them, kept as argon2id or bcrypt hashes.

A name that nobody has costs what a wrong password costs: it is hashed like that of one of the users, and refused in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping

from mockforge_plugin import Allow, AuthPlugin, Deny, Json, PluginError, Principal, Request, log, secret

from .checks import Checks
from .hashing import Busy, HashingThreads
from .header import Credentials, Malformed, credentials
from .users import Users, read_users
from .verified import VerifiedPasswords


class BasicAuth(AuthPlugin):
    """Accepts requests with the name and the password of a known user."""

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        found = read_users(config, secret)
        return found if isinstance(found, list) else []

    def init(self) -> None:
        """Read the users."""
        config, hashing = self.config, self.config.get("hashing") or {}
        users = read_users(config, secret)
        if isinstance(users, list):
            raise PluginError("; ".join(message for _, message in users), code="invalid_config")
        self.users: Users = users
        self.max_bytes = int(config["max_password_bytes"])
        self.refused = Deny(401, "the user name or the password is wrong", f'Basic realm="{config["realm"]}", charset="UTF-8"')
        self.threads = HashingThreads(hashing.get("threads", 2), hashing.get("waiting", 32))
        self.checks = Checks(self.threads)
        self.verified = VerifiedPasswords(config["cache_s"], config["cache_entries"])
        if users.weak:
            log.warning(
                f"passwords of {', '.join(users.weak[:20])} are hashed too fast: write them anew with argon2id, or `htpasswd -B -C 12`"
            )

    def destroy(self) -> None:
        """End the threads."""
        if hasattr(self, "threads"):
            self.threads.close()

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that show nothing."""
        return {"schemes": ["Basic"], "challenge": 'Basic realm="{config.realm}", charset="UTF-8"'}

    async def authenticate(self, request: Request) -> Allow | Deny | None:
        """The decision about name and password, if there are any."""
        try:
            found = credentials(request.header_values("authorization"))
        except Malformed as error:
            return Deny(400, str(error)) if error.is_form else self.refused
        if found is None:
            return None
        if len(found.password) > self.max_bytes:
            return self.refused
        if (known := self.verified.get(found)) is not None:
            return known
        try:
            return await self._verified(found)
        except Busy:
            return Deny(503, "too many passwords are being checked: try again later")

    async def _verified(self, sent: Credentials) -> Allow | Deny:
        """The decision, after one hash, whoever it is; requests that bring the same at once share it."""
        user, stand_in = self.users.find(sent.user)
        is_right = await self.checks.is_right(self.verified.digest(sent), stand_in, sent.password)
        if user is None or not is_right:
            return self.refused
        allow = Allow(Principal(user.name, user.roles, user.groups))
        self.verified.put(sent, allow)
        return allow
