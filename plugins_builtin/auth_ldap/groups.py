"""Groups of a user, and groups of those groups: bounded in number and depth, each looked at once, so that cycles end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .connection import Entry
from .failures import Misconfigured
from .names import DnKey, dn_key, filled_filter, first_value, is_below
from .settings import Groups

Search: TypeAlias = Callable[[str, str, str, Sequence[str], int], list[Entry]]
"""Base, scope, filter, attributes, the most entries → entries, one more if there are more."""
_AT_ONCE = 20
"""So many groups are asked about in one search."""
_IN_CHAIN = "(member:1.2.840.113556.1.4.1941:={dn})"


@dataclass(frozen=True, slots=True)
class Group:
    """A group that counts."""

    dn: str
    name: str


def groups_of(settings: Groups, user: Entry, user_name: str, search: Search) -> list[Group]:
    """Those below the base that the user is in. Raises Misconfigured where there are more than may be."""
    found = _Found(settings)
    if settings.read == "member_of":
        _by_member_of(found, user, search)
    elif settings.read == "in_chain":
        found.add(search(settings.base, "subtree", filled_filter(_IN_CHAIN, dn=user.dn), [settings.name], settings.max))
    else:
        _by_search(found, user, user_name, search)
    return list(found.groups.values())


class _Found:
    def __init__(self, settings: Groups) -> None:
        self.settings = settings
        self.groups: dict[DnKey, Group] = {}

    def add(self, entries: Iterable[Entry]) -> list[Group]:
        """Those that are new."""
        new = []
        for entry in entries:
            key = dn_key(entry.dn)
            if key is None or key in self.groups or not is_below(key, self.settings.base_key):
                continue
            name = next(iter(entry.values(self.settings.name)), None) or first_value(entry.dn)
            self.groups[key] = group = Group(entry.dn, name)
            new.append(group)
            if len(self.groups) > self.settings.max:
                raise Misconfigured(f"a user is in more than {self.settings.max} groups: raise `groups.max`, or narrow `groups.base`")
        return new


def _by_search(found: _Found, user: Entry, user_name: str, search: Search) -> None:
    settings = found.settings
    members = [user.dn]
    for _ in range(settings.nested + 1):
        new: list[Group] = []
        for first in range(0, len(members), _AT_ONCE):
            each = [filled_filter(settings.filter, dn=dn, user=user_name) for dn in members[first : first + _AT_ONCE]]
            entries = search(settings.base, "subtree", each[0] if len(each) == 1 else f"(|{''.join(each)})", [settings.name], settings.max)
            new += found.add(entries)
        members = [group.dn for group in new]
        if not members:
            return


def _by_member_of(found: _Found, user: Entry, search: Search) -> None:
    settings = found.settings
    entries = [user]
    for _ in range(settings.nested + 1):
        names = dict.fromkeys(dn for entry in entries for dn in entry.values("memberOf"))
        new = found.add(Entry(dn, {}) for dn in names)
        entries = [entry for group in new for entry in search(group.dn, "base", "(objectClass=*)", ["memberOf"], 1)]
        if not entries:
            return
