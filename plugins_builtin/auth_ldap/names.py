"""Distinguished names (RFC 4514) and filters (RFC 4515): compared, and filled with what a caller wrote without becoming syntax."""

from __future__ import annotations

import unicodedata
from typing import TypeAlias

from .libldap import escape_dn_chars, escape_filter_chars, is_dn, ldap, str2dn

DnKey: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
_PLACEHOLDER = "{user}"
_FORBIDDEN = frozenset('"/\\[]:;|=,+*?<>@')
"""What an account's name in Active Directory may not have; a login name that is not a DN has no way to escape it."""


def dn_key(dn: str) -> DnKey | None:
    """Equal for equal DNs, whatever their case and spaces; None for what is no DN."""
    try:
        parts = str2dn(dn)
    except (ldap.DECODING_ERROR, ValueError):
        return None
    return tuple(tuple(sorted((kind.lower(), folded(value)) for kind, value, _ in part)) for part in parts) or None


def folded(text: str) -> str:
    """Equal for values that directories take for equal by `caseIgnoreMatch`, nearly."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_below(key: DnKey, base: DnKey) -> bool:
    """Whether it stands at or below the base."""
    return key[-len(base) :] == base


def first_value(dn: str) -> str:
    """The value of its first part: `admins` of `cn=admins,ou=groups`."""
    return str(str2dn(dn)[0][0][1])


def filled_filter(template: str, **values: str) -> str:
    """The filter with `{name}` replaced by each value, escaped."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", escape_filter_chars(value))
    return template


def filter_problem(template: str) -> str | None:
    """What is wrong with a filter, if anything: libldap itself parses it before it finds that there is nobody to send it to."""
    try:
        ldap.initialize("ldapi://%2Fdev%2Fnull%2Fnobody").search_ext("", ldap.SCOPE_BASE, filled_filter(template, user="x", dn="cn=x"))
    except ldap.FILTER_ERROR:
        return f"{template[:100]!r} is not an LDAP filter."
    except ldap.LDAPError:
        return None
    return None


def is_dn_template(template: str) -> bool:
    """Whether a login name is a DN."""
    return "=" in template and bool(is_dn(template.replace(_PLACEHOLDER, "x")))


def login_name(template: str, user: str) -> str | None:
    """What to bind as; None for a name that the template cannot carry."""
    if is_dn_template(template):
        return template.replace(_PLACEHOLDER, str(escape_dn_chars(user)))
    return None if _FORBIDDEN.intersection(user) else template.replace(_PLACEHOLDER, user)
