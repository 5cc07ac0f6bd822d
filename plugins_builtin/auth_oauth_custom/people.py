"""Who the user of an access token is: what the provider's endpoints say, and whether that user may come in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from mockforge_plugin import Allow, HttpAnswer, Json, log
from mockforge_plugin.login import origin_of

from .oauth.answers import get, list_of, object_of
from .oauth.flow import NotAllowed
from .tokens.principal import ClaimPath, PrincipalPaths, read_path, value_at
from .tokens.provider import Unavailable

_NEXT: Final = re.compile(r'<([^<>]{1,2000})>\s*;[^,<]*\brel="?next"?')
_MAX_PAGES: Final = 10
_MAX_GROUPS: Final = 500


class TokenRefused(Exception):
    """The provider does not accept the access token (any more)."""


@dataclass(frozen=True, slots=True)
class GroupList:
    """A list of what the user belongs to, and where the name stands in its entries."""

    url: str
    name: tuple[ClaimPath, ...]

    def name_of(self, entry: Json) -> str | None:
        """The name of one group, if it has one; a name with a slash in it could pass for another's."""
        parts = [value_at(entry, path) for path in self.name] if isinstance(entry, dict) else []
        if not parts or not all(isinstance(part, str) and part and "/" not in part for part in parts):
            return None
        return "/".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may come in."""

    anybody: bool
    users: frozenset[str]
    accounts: frozenset[str]
    groups: frozenset[str]

    def check(self, allow: Allow, account: Json) -> None:
        """Raises NotAllowed."""
        principal = allow.principal
        if self.anybody or principal.id in self.users or (isinstance(account, str) and account in self.accounts):
            return
        if self.groups.isdisjoint(principal.groups):
            raise NotAllowed("this account is not one of those that may come in here")


@dataclass(frozen=True, slots=True)
class People:
    """The users of one provider."""

    user_url: str
    emails_url: str | None
    lists: tuple[GroupList, ...]
    paths: PrincipalPaths
    account: ClaimPath | None
    claims: tuple[str, ...]
    admission: Admission
    timeout_ms: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> People:
        """As the whole configuration has them."""
        lists = tuple(GroupList(each["url"], tuple(map(read_path, each["name"]))) for each in config.get("groups_from") or ())
        named = config.get("allow") or {}
        users, accounts, groups = (frozenset(named.get(key) or ()) for key in ("users", "accounts", "groups"))
        admission = Admission(config["anybody"], users, accounts, groups)
        account = read_path(config["account"]) if config.get("account") else None
        paths, claims = PrincipalPaths.from_config(config), tuple(config["claims"])
        return cls(config["user_url"], config.get("emails_url"), lists, paths, account, claims, admission, config["timeout_ms"])

    async def allow(self, tokens: Mapping[str, Json]) -> Allow:
        """The decision about requests of the user's session. Raises NotAllowed, TokenRefused, Refused, Unavailable."""
        token = str(tokens["access_token"])
        said = object_of(await self._ask(self.user_url, token), "user_url")
        principal = self.paths.principal(said)
        if self.emails_url is not None:
            principal = replace(principal, email=await self._email(self.emails_url, token))
        groups = dict.fromkeys(principal.groups)
        for each in self.lists:
            groups |= dict.fromkeys(await self._groups(each, token))
        principal = replace(principal, groups=tuple(groups)[:_MAX_GROUPS])
        claims = {name: said[name] for name in self.claims if said.get(name) is not None}
        if isinstance(scope := tokens.get("scope"), str):
            claims["scope"] = " ".join(scope.replace(",", " ").split())  # GitHub puts commas between
        allow = Allow(principal, claims)
        self.admission.check(allow, value_at(said, self.account) if self.account else None)
        return allow

    async def _email(self, url: str, token: str) -> str | None:
        """The primary address, if the provider has verified it."""
        for entry in list_of(await self._ask(url, token), "emails_url"):
            if isinstance(entry, dict) and entry.get("primary") is True and entry.get("verified") is True:
                address = entry.get("email")
                return address if isinstance(address, str) and address else None
        return None

    async def _groups(self, source: GroupList, token: str) -> list[str]:
        """The groups of a list, page by page (RFC 8288)."""
        found: list[str] = []
        url: str | None = source.url
        for _ in range(_MAX_PAGES):
            if url is None or len(found) > _MAX_GROUPS:
                break
            answer = await self._ask(url, token)
            named = (source.name_of(entry) for entry in list_of(answer, "groups_from"))
            found += [name for name in named if name is not None]
            url = _next(answer, url)
        if url is not None:
            log.warning(f"{source.url}: a user has more groups than are read; the rest does not count")
        return found

    async def _ask(self, url: str, token: str) -> HttpAnswer:
        headers = {"authorization": f"Bearer {token}", "accept": "application/json", "user-agent": "mockforge-asgi"}
        answer = await get(url, headers=headers, timeout_ms=self.timeout_ms)
        if answer.status == 401:
            raise TokenRefused
        if answer.status == 429 or (answer.status == 403 and answer.headers.get("x-ratelimit-remaining") == "0"):
            raise Unavailable(503, "the identity provider is asked too often", f"{_path(url)}: it answered {answer.status}: too often")
        if answer.status != 200:
            raise Unavailable.badly(f"{_path(url)}: it answered {answer.status}; is a scope lacking?")
        return answer


def _next(answer: HttpAnswer, url: str) -> str | None:
    """The address of the next page, which must be at the same origin: the token goes there."""
    found = _NEXT.search(",".join(answer.headers.all("link")))
    if found is None:
        return None
    try:
        same = origin_of(found[1]) == origin_of(url)
    except ValueError:
        same = False
    if not same:
        raise Unavailable.badly(f"{_path(url)}: its next page is at another place")
    return found[1]


def _path(url: str) -> str:
    return urlsplit(url).path
