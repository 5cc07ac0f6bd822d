"""auth-ldap: HTTP Basic credentials, checked by a directory. Only the answers stand here; `directory.py` is the login."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from mockforge_plugin import Allow, AuthPlugin, Decision, Deny, Health, PluginError, Principal, Request, log, secret

from .credentials import BadCredentials, Credentials, read_credentials
from .directory import Directory, Person
from .failures import BadAnswer, Busy, LoginFailed, Misconfigured, Refused
from .names import dn_key, folded
from .servers import Servers
from .settings import problems, read_settings
from .transport import tls_context
from .verified import Verified
from .workers import Workers

WRONG: Final = "user name or password is wrong"
"""Whatever was wrong with them: who asks learns nothing about accounts."""
_REPEAT_S: Final = 10.0
"""The same line is logged once in so many seconds."""
_MAX_VALUE: Final = 1000
_MAX_VALUES: Final = 20
_MAX_GROUPS_TEXT: Final = 20_000
"""A principal has 32 KiB at most."""


class AuthLdap(AuthPlugin):
    """Decides by a directory; None where there are no Basic credentials."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say."""
        return problems(config)

    def capabilities(self) -> Mapping[str, Any]:
        """Basic, in UTF-8."""
        return {"schemes": ["Basic"], "challenge": 'Basic realm="{config.realm}", charset="UTF-8"'}

    def init(self) -> None:
        """Read what is configured; nothing is connected."""
        self.settings = settings = read_settings(self.config)
        self.challenge = f'Basic realm="{settings.realm}", charset="UTF-8"'
        password = secret(settings.bind_secret) if settings.bind_secret is not None else None
        if password is not None and not password.strip():
            raise PluginError(f"the secret '{settings.bind_secret}' is empty: that would be an anonymous bind", code="invalid_config")
        tls = tls_context(settings.ca_file) if any(server.tls != "none" for server in settings.servers) else None
        self.servers = servers = Servers(settings.servers, longest_s=settings.retry_s, trial_s=settings.connect_s)
        self.workers = Workers(lambda: Directory(settings, servers, tls, password), most=settings.threads, queued=settings.queue)
        self.verified: Verified[Allow] = Verified(settings.cache_s, settings.cache_entries)
        self._told: dict[str, float] = {}
        self._refusals_s: deque[float] = deque(maxlen=16)

    async def start(self) -> None:
        """Say at once what is wrong with the directory; a request finds out for itself again."""
        deadline_s = time.monotonic() + self.settings.connect_s * len(self.settings.servers)
        try:
            await self.workers.run(lambda directory: directory.connect(deadline_s), deadline_s)
        except LoginFailed as failure:
            self._tell("error", failure.cause)

    def destroy(self) -> None:
        """Close threads and connections, where there are any: also after a configuration that was refused."""
        if hasattr(self, "workers"):
            self.workers.close()

    def health(self) -> Health:
        """`down` while no server answers."""
        down = self.servers.down
        pool = f"{self.workers.busy} of {self.settings.threads} threads busy, {self.workers.waiting} logins waiting"
        status = "ok" if not down else "down" if len(down) == len(self.settings.servers) else "degraded"
        return Health(status, "; ".join([pool, *down.values()]))

    async def authenticate(self, request: Request) -> Decision:
        """Allow who can log in."""
        try:
            credentials = read_credentials(request.header_values("authorization"))
        except BadCredentials as error:
            return Deny(error.status, str(error), self.challenge if error.status == 401 else None)
        if credentials is None:
            return None
        return self.verified.get(credentials) or await self._login(credentials)

    async def _login(self, credentials: Credentials) -> Decision:
        began_s = time.monotonic()
        deadline_s = began_s + self.settings.login_s
        try:
            person = await self.workers.run(lambda directory: directory.login(credentials, deadline_s), deadline_s)
            allowed = Allow(self._principal(person))
        except Refused as refused:
            if refused.is_odd:
                self._tell("error", refused.cause)
            await self._even_out(time.monotonic() - began_s, refused)
            return Deny(401, WRONG, self.challenge)
        except LoginFailed as failure:
            return self._unavailable(failure)
        self.verified.keep(credentials, allowed)
        return allowed

    async def _even_out(self, took_s: float, refused: Refused) -> None:
        """A name that nobody has is not told by an answer that comes sooner: it takes as long as one of the last wrong passwords."""
        if not refused.is_unknown:
            self._refusals_s.append(took_s)
        elif self._refusals_s:
            await asyncio.sleep(max(0.0, random.choice(self._refusals_s) - took_s))

    def _unavailable(self, failure: LoginFailed) -> Deny:
        """What the caller is told has nothing of the cause, which the operator is told."""
        self._tell("warning" if isinstance(failure, Busy) else "error", failure.cause)
        if isinstance(failure, BadAnswer):
            return Deny(502, "the directory answers badly")
        return Deny(503, "too many logins at once" if isinstance(failure, Busy) else "the directory is not available")

    def _principal(self, person: Person) -> Principal:
        """Raises BadAnswer for an entry that is nobody's, Misconfigured for one in too many groups."""
        settings, entry = self.settings, person.entry
        ids = entry.values(settings.id)
        if len(ids) != 1 or not ids[0] or len(ids[0]) > _MAX_VALUE:
            raise BadAnswer(f"{entry.dn} has not one value of {settings.id}, which `attributes.id` names")
        groups = tuple(group.dn if settings.groups and settings.groups.names == "dn" else group.name for group in person.groups)
        if sum(map(len, groups)) > _MAX_GROUPS_TEXT:
            raise Misconfigured(
                f"the groups of a user have more than {_MAX_GROUPS_TEXT} characters: narrow `groups.base`, or `names: name`"
            )
        more = {name: values for name, attribute in settings.more.items() if (values := _bounded(entry.values(attribute)))}
        return Principal(
            ids[0],
            self._roles(person),
            groups,
            next(iter(_bounded(entry.values(settings.name))), None),
            next(iter(_bounded(entry.values(settings.email))), None),
            {"dn": entry.dn, **{name: values[0] if len(values) == 1 else values for name, values in more.items()}},
        )

    def _roles(self, person: Person) -> tuple[str, ...]:
        """Roles of all groups, in the order of the configuration."""
        names = {key for group in person.groups for key in (dn_key(group.dn), folded(group.name))}
        return tuple(dict.fromkeys(role for group, roles in self.settings.roles.items() if group in names for role in roles))

    def _tell(self, level: str, cause: str) -> None:
        """A line in the operator's log, once in a while."""
        now = time.monotonic()
        if self._told.get(cause, float("-inf")) + _REPEAT_S > now:
            return
        if len(self._told) > 100:
            self._told.clear()
        self._told[cause] = now
        (log.error if level == "error" else log.warning)(cause)


def _bounded(values: list[str]) -> list[str]:
    return [value[:_MAX_VALUE] for value in values[:_MAX_VALUES]]
