"""python-ldap, imported here alone: what the plugin uses of it."""

from __future__ import annotations

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.dn import escape_dn_chars, is_dn, str2dn
from ldap.extop import ExtendedRequest
from ldap.filter import escape_filter_chars

__all__ = ["ExtendedRequest", "PasswordPolicyControl", "escape_dn_chars", "escape_filter_chars", "is_dn", "ldap", "str2dn"]
