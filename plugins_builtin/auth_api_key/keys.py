"""The keys that are accepted: read from secrets, checked, and held by the SHA-256 of the key."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from math import inf

from mockforge_plugin import Allow, HostError, Json, Principal

MAX_KEYS = 100_000
_WEAK_BELOW = 16
_FIELDS = ("id", "key", "hash", "roles", "groups", "name", "email", "expires", "not_before")
_SLOW = ("$argon2", "$2a$", "$2b$", "$2y$", "$scrypt", "$pbkdf2", "$5$", "$6$", "$apr1$")

Problem = tuple[str, str]
"""Where in the configuration, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its digest, what its owner is answered, and when it is valid, in Unix time."""

    digest: bytes
    allow: Allow
    expires: float = inf
    not_before: float = -inf
    is_timed: bool = False
    is_weak: bool = False


NOBODY = Key(secrets.token_bytes(32), Allow(Principal("nobody")))
"""What an unknown key is compared with."""


class Unfit(ValueError):
    """An entry that cannot be used, and why. What a secret holds is never in it."""


def problems_in(config: Mapping[str, Json], secret: Callable[[str], str]) -> list[Problem]:
    """What is wrong with the keys."""
    found = read_keys(config, secret)
    return found if isinstance(found, list) else []


def read_keys(config: Mapping[str, Json], secret: Callable[[str], str]) -> dict[bytes, Key] | list[Problem]:
    """The keys of every secret that the configuration names, by digest, or all that is wrong with them."""
    keys: dict[bytes, Key] = {}
    problems: list[Problem] = []
    names = config["keys"]
    for name in names if isinstance(names, list) else [names]:
        try:
            entries = list(_entries(secret(name)))
        except (Unfit, HostError) as error:
            problems.append(("keys", f"secret '{name}': {error}"))
            continue
        for place, entry in entries:
            try:
                key = _key(entry, config.get("roles") or {})
                if key.digest in keys:
                    raise Unfit("the same key is there twice. Each key has one owner.")
                keys[key.digest] = key
            except Unfit as error:
                problems.append(("keys", f"secret '{name}', {place}: {error}"))
    owners = {key.allow.principal.id for key in keys.values()}
    problems += [
        (f"roles.{name}", "there is no key of that name.") for name in config.get("roles") or {} if not problems and name not in owners
    ]
    if not keys and not problems:
        problems.append(("keys", "there is no key in it: nobody could pass."))
    if len(keys) > MAX_KEYS:
        problems.append(("keys", f"there are more than {MAX_KEYS} keys."))
    return problems[:20] or keys


def _entries(text: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """(place, entry) of each key in the text of a secret: lines `key=name`, or a JSON or YAML list."""
    beginning = text.lstrip()[:5]
    if beginning.startswith(("[", "{", "- ", "-\n", "keys:")):
        document = _document(text)
        if isinstance(document, dict):
            document = document.get("keys")
        if not isinstance(document, list):
            raise Unfit("it must be a list of entries, or an object with such a list as `keys`.")
        yield from ((f"entry {i + 1}", entry) for i, entry in enumerate(document))
        return
    written = [item.strip() for line in text.splitlines() if not line.lstrip().startswith("#") for item in line.split(",")]
    for number, item in enumerate(filter(None, written), 1):
        key, _, name = item.rpartition("=") if "=" in item else (item, "", "")
        yield f"key {number}", {"hash" if key.startswith("sha256:") else "key": key, "id": name}


def _document(text: str) -> Json:
    """JSON, or where there is a reader of it YAML. Its errors would quote the text, which is secret."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if text.lstrip()[:1] in "[{":
        raise Unfit("it begins like JSON and is not.")
    try:
        import yaml
    except ImportError:
        raise Unfit("it is YAML, which cannot be read in the sandbox. Write JSON.") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Unfit("it is not YAML that can be read.") from None


def _key(entry: object, roles: Mapping[str, list[str]]) -> Key:
    """The key of an entry. Raises Unfit."""
    if not isinstance(entry, dict):
        raise Unfit("it must be an object with `id`, and `key` or `hash`.")
    if unknown := [str(name)[:40] for name in entry if name not in _FIELDS]:
        raise Unfit(f"{', '.join(unknown[:5])}: unknown. Known: {', '.join(_FIELDS)}.")
    owner = _text(entry, "id")
    if not owner:
        raise Unfit("there is no name of an owner. Write `key=name`, or `id` in a list.")
    digest, is_weak = _digest(entry)
    own = tuple(dict.fromkeys([*_texts(entry, "roles"), *roles.get(owner, ())]))
    principal = Principal(owner, own, _texts(entry, "groups"), _text(entry, "name") or None, _text(entry, "email") or None)
    expires, not_before = _moment(entry, "expires", inf), _moment(entry, "not_before", -inf)
    if expires <= not_before:
        raise Unfit("`expires` is not after `not_before`: it would never be valid.")
    return Key(digest, Allow(principal), expires, not_before, "expires" in entry or "not_before" in entry, is_weak)


def _digest(entry: Mapping[str, Json]) -> tuple[bytes, bool]:
    """The SHA-256 of the key, and whether the key is short. Raises Unfit."""
    if ("key" in entry) == ("hash" in entry):
        raise Unfit("it must have just one of `key` and `hash`.")
    hashed, plain = _text(entry, "hash"), _text(entry, "key")
    for text in (hashed, plain):
        if text.startswith(_SLOW):
            raise Unfit(
                "a slow hash is for passwords: every request would pay for it. A key made at random needs none: "
                "`openssl rand -hex 32` makes one, `printf %s KEY | sha256sum` its hash; write that as sha256:HEX."
            )
    if hashed:
        scheme, _, digits = hashed.partition(":")
        if scheme != "sha256" or len(digits) != 64 or set(digits.lower()) - set("0123456789abcdef"):
            raise Unfit("`hash` must be sha256: and 64 hexadecimal digits.")
        return bytes.fromhex(digits), False
    if not plain:
        raise Unfit("the key is empty.")
    if plain.strip() != plain or any(char < " " or char == "\x7f" for char in plain):
        raise Unfit("the key has a control character, or white space around it, which no request could carry.")
    return sha256(plain.encode()).digest(), len(plain) < _WEAK_BELOW


def _text(entry: Mapping[str, Json], name: str) -> str:
    value = entry.get(name, "")
    if not isinstance(value, str):
        raise Unfit(f"`{name}` must be a string.")
    return value


def _texts(entry: Mapping[str, Json], name: str) -> tuple[str, ...]:
    value = entry.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise Unfit(f"`{name}` must be a list of strings.")
    return tuple(value)


def _moment(entry: Mapping[str, Json], name: str, otherwise: float) -> float:
    """A date or time as Unix time; without a zone it is UTC, a date is its beginning."""
    value = entry.get(name)
    if value is None:
        return otherwise
    try:
        moment = value if isinstance(value, date) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Unfit(f"`{name}` must be a date or time such as 2027-01-31 or 2027-01-31T12:00:00Z.") from None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
