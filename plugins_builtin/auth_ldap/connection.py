"""One LDAP connection: StartTLS, binds and searches with a deadline, and libldap's errors in words."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from .failures import BadAnswer, LoginFailed, Misconfigured, Refused, Unreachable
from .libldap import ExtendedRequest, PasswordPolicyControl, ldap
from .settings import Server
from .transport import Transport

Attributes: TypeAlias = Mapping[str, Sequence[bytes]]
_NOWHERE: Final = "ldapi://%2Fdev%2Fnull%2Fnobody"
"""Where libldap would connect to if it ever did so by itself: nowhere."""
_STARTTLS: Final = "1.3.6.1.4.1.1466.20037"
_SCOPES: Final = {"base": ldap.SCOPE_BASE, "one": ldap.SCOPE_ONELEVEL, "subtree": ldap.SCOPE_SUBTREE}
_REFUSED: Final = (
    ldap.INVALID_CREDENTIALS, ldap.UNWILLING_TO_PERFORM, ldap.INAPPROPRIATE_AUTH, ldap.CONSTRAINT_VIOLATION, ldap.NO_SUCH_OBJECT,
    ldap.INVALID_DN_SYNTAX, ldap.INSUFFICIENT_ACCESS,
)  # fmt: skip
"""How servers say that credentials are of no use. 389 Directory Server is unwilling, or sees a constraint, where an account is locked."""
_AWAY: Final = (ldap.UNAVAILABLE, ldap.BUSY)
_NOT_LDAP: Final = (ldap.SERVER_DOWN, ldap.DECODING_ERROR, ldap.ENCODING_ERROR, ldap.LOCAL_ERROR, ldap.NO_MEMORY)
"""What libldap says of bytes that it cannot read; a connection that is closed is noticed before it is asked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the directory."""

    dn: str
    attributes: Attributes

    def values(self, name: str) -> list[str]:
        """The values of an attribute that are text."""
        found = next((values for key, values in self.attributes.items() if key.lower() == name.lower()), ())
        return [text for value in found if (text := _text(value)) is not None]


class Connection:
    """Open until `close`. Whoever gets an exception other than Refused from it closes it. Used by one thread."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None, deadline_s: float) -> None:
        """Connected and, where the server is to be encrypted, encrypted. Raises Unreachable, BadAnswer, Misconfigured."""
        self.server = server
        self._transport = Transport(server, tls, deadline_s)
        try:
            self._ldap = self._new_libldap()
            if server.tls == "starttls":
                self._start_tls(deadline_s)
        except BaseException:
            self.close()
            raise

    def _new_libldap(self) -> Any:
        """An object of libldap's that has sent nothing and read nothing."""
        made = ldap.initialize(_NOWHERE, fileno=self._transport.end_for_libldap())
        made.set_option(ldap.OPT_PROTOCOL_VERSION, 3)
        made.set_option(ldap.OPT_REFERRALS, 0)
        made.set_option(ldap.OPT_DEREF, ldap.DEREF_NEVER)
        return made

    def _start_tls(self, deadline_s: float) -> None:
        """A server that refuses is given up: there is no way on without it."""
        try:
            self._last(lambda: self._ldap.extop(ExtendedRequest(_STARTTLS, None)), deadline_s)
        except (Refused, Misconfigured) as refused:
            raise Unreachable(f"{self.server.uri} refuses StartTLS: {refused.cause}") from None
        self._transport.encrypt(deadline_s)
        # Whoever stands between may have sent answers to what is asked within TLS, ahead of it: libldap would take them (CVE-2011-0411 is
        # the same in another protocol). They are in the old object.
        self._ldap = self._new_libldap()

    def bind(self, dn: str, password: str, deadline_s: float) -> None:
        """Log in. Raises Refused, Unreachable, BadAnswer, Misconfigured."""
        if not dn or not password:
            raise BadAnswer(f"{self.server.uri} has an entry without a name")  # with either empty, anybody may log in
        if not self._transport.is_encrypted and self.server.tls != "none":
            raise Misconfigured(f"{self.server.uri} is not encrypted")
        controls = self._last(lambda: self._ldap.simple_bind(dn, password, serverctrls=[PasswordPolicyControl()]), deadline_s)
        for control in controls:
            if isinstance(control, PasswordPolicyControl) and control.error is not None:
                raise Refused("the directory takes the password and wants it changed first")

    def search(self, base: str, scope: str, filter: str, attributes: Sequence[str], deadline_s: float, *, most: int) -> list[Entry]:
        """Entries, `most` + 1 of them where there are more. An absent base has none. Raises Unreachable, BadAnswer, Misconfigured."""
        found: list[Entry] = []
        try:
            for kind, data, _ in self._answers(
                lambda: self._ldap.search_ext(base, _SCOPES[scope], filter, list(attributes), sizelimit=most + 1), deadline_s
            ):
                if kind == ldap.RES_SEARCH_ENTRY and len(found) <= most:
                    found += [Entry(dn, values) for dn, values in data if dn]
        except _TooMany:
            if len(found) <= most:  # fewer than asked for and yet not all: what is not shown would count, too
                raise Misconfigured(f"{self.server.uri} shows only {len(found)} entries at once: raise its size limit") from None
        except _Absent:
            return []
        except Refused as refused:
            raise Misconfigured(f"{self.server.uri} refuses to search {base}: {refused.cause}") from None
        return found

    def _last(self, ask: Callable[[], int], deadline_s: float) -> Sequence[object]:
        """The controls of an answer that is one message."""
        try:
            return [controls for _, _, controls in self._answers(ask, deadline_s)][-1]
        except (_TooMany, _Absent) as error:
            raise Refused(str(error)) from None

    def _answers(self, ask: Callable[[], int], deadline_s: float) -> Iterator[tuple[int, Any, Sequence[object]]]:
        """The messages that answer a question, the last one included."""
        self._transport.begin()
        try:
            message = ask()
            self._transport.send(deadline_s)
            while True:
                kind, data, _, controls = self._ldap.result3(message, all=0, timeout=0)
                if kind is None:
                    self._transport.receive(deadline_s)
                    continue
                yield kind, data, controls or ()
                if kind not in (ldap.RES_SEARCH_ENTRY, ldap.RES_SEARCH_REFERENCE, ldap.RES_INTERMEDIATE):
                    return
        except LoginFailed:
            raise
        except ldap.LDAPError as error:
            raise _failure(self.server.uri, error) from None
        except Exception as error:  # libldap's binding and pyasn1, over what a server sent
            raise BadAnswer(f"{self.server.uri} answered what cannot be read ({type(error).__name__})") from None

    def is_alive(self) -> bool:
        """Whether the server has not closed it meanwhile."""
        return self._transport.is_alive()

    def close(self) -> None:
        """Close it, without a word: the socket's end says it too."""
        self._transport.close()
        self._ldap = None


class _TooMany(Refused):
    """The server has more entries than were asked for."""


class _Absent(Refused):
    """There is no such entry."""


def _failure(uri: str, error: ldap.LDAPError) -> LoginFailed:
    """What an error of libldap means."""
    if isinstance(error, ldap.SIZELIMIT_EXCEEDED):
        return _TooMany("there are more entries than may be answered")
    if isinstance(error, ldap.NO_SUCH_OBJECT):
        return _Absent("there is no such entry")
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    text = f"{said.get('desc', type(error).__name__)}{_detail(said.get('info'))}"
    if isinstance(error, _REFUSED):
        return Refused(text)
    if isinstance(error, _AWAY):
        return Unreachable(f"{uri}: {text}")
    if isinstance(error, _NOT_LDAP):
        return BadAnswer(f"{uri} answered what is no LDAP ({text})")
    return Misconfigured(f"{uri}: {text}")


def _detail(info: object) -> str:
    """What the server adds, bounded; Active Directory tells in it why an account was refused."""
    printable = "".join(c for c in info if c.isprintable())[:200] if isinstance(info, str) else ""
    return f" ({printable})" if printable else ""


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
