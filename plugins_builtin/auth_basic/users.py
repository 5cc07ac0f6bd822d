"""The users: lines `name:hash` of secrets, every hash looked at before anybody's password is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from secrets import token_bytes

from mockforge_plugin import HostError, Json

from .hashes import PasswordHash, Unusable, password_hash

MAX_USERS = 10_000

Problem = tuple[str, str]
"""Where in the configuration, and what is wrong."""


@dataclass(frozen=True, slots=True)
class User:
    """One user."""

    name: str
    hash: PasswordHash
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Users:
    """The users by the bytes of their names. There is at least one."""

    by_name: Mapping[bytes, User]
    _hashes: tuple[PasswordHash, ...] = ()
    _key: bytes = field(default_factory=lambda: token_bytes(32), repr=False)

    @property
    def weak(self) -> list[str]:
        """The names of those whose hashes are quickly guessed."""
        return sorted(user.name for user in self.by_name.values() if user.hash.is_weak)

    def find(self, name: bytes) -> tuple[User | None, PasswordHash]:
        """The user, and the hash that is worked out: the user's own, or for a name that nobody has that of somebody else.

        Whose it is depends on the name alone, so that unknown names cost this or that as known ones do, and always the same.
        """
        number = int.from_bytes(blake2b(name, key=self._key, digest_size=8).digest(), "big")
        somebody = self._hashes[number % len(self._hashes)]
        user = self.by_name.get(name)
        return user, somebody if user is None else user.hash


def read_users(config: Mapping[str, Json], secret: Callable[[str], str]) -> Users | list[Problem]:
    """The users of every secret that the configuration names, or all that is wrong with them. What a secret holds is never quoted."""
    users: dict[bytes, User] = {}
    problems: list[Problem] = []
    roles, groups = config.get("roles") or {}, config.get("groups") or {}
    names = config["users"]
    for name in names if isinstance(names, list) else [names]:
        try:
            text = secret(name)
        except HostError as error:
            problems.append(("users", f"secret '{name}': {error}"))
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if (line := line.strip()) and not line.startswith("#"):
                try:
                    user = _user(line, roles, groups)
                    if user.name.encode() in users:
                        raise Unusable("there is a user of that name already.")
                    users[user.name.encode()] = user
                except Unusable as error:
                    problems.append(("users", f"secret '{name}', line {number}: {error}"))
    if not problems:
        problems = _unknown(users, "roles", roles) + _unknown(users, "groups", groups)
    if not users and not problems:
        problems.append(("users", "there is no user in it: nobody could pass. `htpasswd -nB alice` writes a line."))
    if len(users) > MAX_USERS:
        problems.append(("users", f"there are more than {MAX_USERS} users: a directory would be the place for them (auth-ldap)."))
    return problems[:20] or Users(users, tuple(user.hash for user in users.values()))


def _user(line: str, roles: Mapping[str, list[str]], groups: Mapping[str, list[str]]) -> User:
    name, colon, hashed = line.partition(":")
    if not colon or not name:
        raise Unusable("it must be `name:hash`, as `htpasswd -nB alice` writes it.")
    if any(char < " " or char == "\x7f" for char in name):
        raise Unusable("the name has a control character, which no request can carry.")
    return User(name, password_hash(hashed.split(":")[0]), tuple(roles.get(name, ())), tuple(groups.get(name, ())))


def _unknown(users: Mapping[bytes, User], key: str, named: Mapping[str, Json]) -> list[Problem]:
    return [(f"{key}.{name}", "there is no user of that name.") for name in named if name.encode() not in users]
