"""A login: the user's entry, a bind with the password, groups. One `Directory` belongs to one thread, and so do its connections."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .connection import Connection, Entry
from .credentials import Credentials
from .failures import LoginFailed, Misconfigured, Refused, Unreachable
from .groups import Group, groups_of
from .names import dn_key, filled_filter, login_name
from .servers import Servers
from .settings import Server, Settings


@dataclass(frozen=True, slots=True)
class Person:
    """Who logged in."""

    entry: Entry
    groups: tuple[Group, ...] = ()


@dataclass(slots=True)
class _Session:
    """Connections to one server."""

    server: Server
    user: Connection
    """Bound as one user after the other."""
    account: Connection | None = None
    """Bound as the account that looks users up, and never as anybody else."""

    def is_alive(self) -> bool:
        """Whether the server has closed neither."""
        return self.user.is_alive() and (self.account is None or self.account.is_alive())

    def close(self) -> None:
        """Close both."""
        self.user.close()
        if self.account is not None:
            self.account.close()


class Directory:
    """Checks credentials, over connections that it keeps."""

    def __init__(self, settings: Settings, servers: Servers, tls: ssl.SSLContext | None, password: str | None) -> None:
        """`password`: of the account that looks users up."""
        self._settings, self._servers, self._tls, self._password = settings, servers, tls, password
        self._session: _Session | None = None
        self._is_late = False
        """Whether the login has waited so long for its thread that no server can be given its time."""

    def login(self, credentials: Credentials, deadline_s: float) -> Person:
        """Who it is. Raises Refused, Unreachable, Misconfigured, BadAnswer."""
        self._is_late = deadline_s - time.monotonic() < self._settings.connect_s
        old = self._session
        if old is not None and old.is_alive():
            try:
                return self._check(old, credentials, deadline_s)
            except Unreachable as failure:  # of an old connection says nothing about the server, unless it took all the time
                if time.monotonic() >= deadline_s:
                    self._failed(old.server, failure, deadline_s)
                    raise
        return self._login_anew(credentials, deadline_s)

    def _login_anew(self, credentials: Credentials, deadline_s: float) -> Person:
        """The same over new connections; each server is asked once."""
        last: Unreachable | None = None
        for _ in self._settings.servers:
            session = self._open(deadline_s)
            try:
                return self._check(session, credentials, deadline_s)
            except Unreachable as failure:
                self._failed(session.server, failure, deadline_s)
                last = failure
                if time.monotonic() >= deadline_s:
                    break
        raise last or Unreachable("no server is left")

    def connect(self, deadline_s: float) -> None:
        """See that a server can be reached. Raises Unreachable, Misconfigured, BadAnswer."""
        if self._session is None:
            self._open(deadline_s)

    def close(self) -> None:
        """Close the connections; the next login opens others."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self, deadline_s: float) -> _Session:
        """Connections to the first server that does. Raises what the last of them raised."""
        self.close()
        last: LoginFailed | None = None
        while last is None or time.monotonic() < deadline_s:
            try:
                server = self._servers.next()
            except LoginFailed as failure:
                raise last or failure from None
            try:
                self._session = self._connected(server, min(deadline_s, time.monotonic() + self._settings.connect_s))
            except LoginFailed as failure:
                self._failed(server, failure, deadline_s)
                last = failure
            else:
                self._servers.works(server)
                return self._session
        raise last

    def _failed(self, server: Server, failure: LoginFailed, deadline_s: float) -> None:
        """Have the server left alone, unless a late login's time is over: many logins at once would keep everybody out."""
        if not self._is_late or time.monotonic() < deadline_s:
            self._servers.failed(server, failure)

    def _connected(self, server: Server, deadline_s: float) -> _Session:
        session = _Session(server, Connection(server, self._tls, deadline_s))
        try:
            if self._settings.bind_as is None:
                session.account = Connection(server, self._tls, deadline_s)
                self._bind_account(session.account, deadline_s)
            return session
        except BaseException:
            session.close()
            raise

    def _bind_account(self, account: Connection, deadline_s: float) -> None:
        settings = self._settings
        if settings.bind_dn is None or self._password is None:
            return
        try:
            account.bind(settings.bind_dn, self._password, deadline_s)
        except Refused as refused:
            remedy = f"check `bind_dn` and the secret '{settings.bind_secret}'"
            raise Misconfigured(f"{account.server.uri} refuses the account {settings.bind_dn}: {refused.cause}; {remedy}") from None

    def _check(self, session: _Session, credentials: Credentials, deadline_s: float) -> Person:
        """The login. Connections are kept only if what they answered was whole."""
        try:
            if session.account is None:
                return self._by_template(session.user, credentials, deadline_s)
            return self._by_search(session.account, session.user, credentials, deadline_s)
        except Refused as refused:
            if refused.is_odd:
                self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _by_search(self, account: Connection, user: Connection, credentials: Credentials, deadline_s: float) -> Person:
        """The account finds the entry and its groups; the password proves itself on the other connection."""
        entry = self._find(account, credentials, deadline_s)
        user.bind(entry.dn, credentials.password, deadline_s)
        return self._person(account, entry, credentials, deadline_s)

    def _by_template(self, user: Connection, credentials: Credentials, deadline_s: float) -> Person:
        """The user logs in and looks at the own entry."""
        settings = self._settings
        name = login_name(settings.bind_as or "", credentials.name)
        if name is None:
            raise Refused("the user name has characters that no login name has")
        user.bind(name, credentials.password, deadline_s)
        try:
            entry = self._find(user, credentials, deadline_s) if settings.users else self._own_entry(user, name, deadline_s)
        except _NoEntry:
            raise Misconfigured(f"{user.server.uri}: users cannot read their own entries, or `users` does not find them") from None
        if settings.users and dn_key(entry.dn) != dn_key(name):  # one's login name may be what another's entry is found by
            user.bind(entry.dn, credentials.password, deadline_s)
        return self._person(user, entry, credentials, deadline_s)

    def _own_entry(self, user: Connection, dn: str, deadline_s: float) -> Entry:
        found = user.search(dn, "base", "(objectClass=*)", self._settings.attributes, deadline_s, most=1)
        if not found:
            raise _NoEntry("the entry cannot be read")
        return found[0]

    def _find(self, connection: Connection, credentials: Credentials, deadline_s: float) -> Entry:
        """The one entry of that name. Raises Refused."""
        users = self._settings.users
        assert users is not None, "checked with the configuration"
        filter = filled_filter(users.filter, user=credentials.name)
        found = connection.search(users.base, users.scope, filter, self._settings.attributes, deadline_s, most=1)
        if not found:
            raise _NoEntry("nobody has that name", is_unknown=True)
        if len(found) > 1:
            raise Refused(f"several entries match one user name, such as {found[0].dn} and {found[1].dn}: narrow `users`", is_odd=True)
        return found[0]

    def _person(self, connection: Connection, entry: Entry, credentials: Credentials, deadline_s: float) -> Person:
        settings = self._settings.groups
        if settings is None:
            return Person(entry)

        def search(base: str, scope: str, filter: str, attributes: Sequence[str], most: int) -> list[Entry]:
            return connection.search(base, scope, filter, attributes, deadline_s, most=most)

        return Person(entry, tuple(groups_of(settings, entry, credentials.name, search)))


class _NoEntry(Refused):
    """Nobody has that name."""
