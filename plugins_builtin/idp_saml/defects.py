"""Defects: what may be wrong with a response on demand, so that a service provider can show that it refuses it.

And how a response becomes the document that is sent: signed, spoilt where that is wanted, encrypted where it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from cryptography.x509 import Certificate
from lxml import etree

from .assertions import AUTHN_FAILED, RESPONDER, Facts, NameId, response
from .elements import NAMES, Element, written
from .keys import Keys, Signer
from .signing import SHA1, SHA256, encrypted, signed
from .wrapping import FORGED, WRAPPINGS, wrapped

ELSEWHERE: Final = "https://elsewhere.example"
"""Whose assertions, audience and addresses the wrong ones are."""
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong: with what is said, with how it is signed, or with the signed document."""

    words: str
    facts: Callable[[Facts], Facts] = lambda facts: facts
    in_assertion: Callable[[Element], None] | None = None
    """Done to the signed assertion's response, before anything is encrypted."""
    in_response: Callable[[Element], Element] | None = None
    """Done to the signed response; nothing is encrypted then."""
    signs: str | None = None
    """What is signed, whatever the service provider wants: `response`, `assertion`, or nothing at all (an empty text)."""
    signer: str = "current"
    """Whose key signs: `current`, the `other` of this provider's two, or that of `nobody`."""
    hashing: str = SHA256


def _moved(seconds: float) -> Callable[[Facts], Facts]:
    """All times of the response, moved."""

    def change(facts: Facts) -> Facts:
        until_s = None if facts.until_s is None else facts.until_s + seconds
        return replace(
            facts,
            issued_s=facts.issued_s + seconds,
            not_before_s=facts.not_before_s + seconds,
            until_s=until_s,
            session_until_s=facts.session_until_s + seconds,
        )

    return change


def _comment(root: Element) -> None:
    """Canonical XML leaves comments out, so the signature stays good: who takes the text before it takes another name."""
    name_id = root.find(".//saml:NameID", NAMES)
    comment = etree.Comment("")
    comment.tail = COMMENTED
    name_id.text = name_id.text.removesuffix(COMMENTED)
    name_id.append(comment)


def _other_subject(root: Element) -> Element:
    for name_id in root.iterfind(".//saml:NameID", NAMES):
        name_id.text = FORGED
    return root


COMMENTED: Final = ".elsewhere.example"
"""What stands behind the comment in a name, and belongs to it."""

REPLAYED: Final = "replayed"
NO_DEFECT: Final = Defect("nothing")
NONE: Final = "none"
"""The name of having none."""

DEFECTS: Final[Mapping[str, Defect]] = MappingProxyType(
    {
        "expired": Defect("it expired an hour ago", _moved(-HOUR_S - 600)),
        "not-yet-valid": Defect("it becomes valid in an hour", _moved(HOUR_S)),
        "wrong-audience": Defect("it is for another service provider", lambda f: replace(f, audience=ELSEWHERE)),
        "wrong-recipient": Defect("its subject is confirmed for another address", lambda f: replace(f, recipient=f"{ELSEWHERE}/acs")),
        "wrong-destination": Defect("it was sent to another address", lambda f: replace(f, destination=f"{ELSEWHERE}/acs")),
        "wrong-issuer": Defect("another identity provider issued it", lambda f: replace(f, issuer=ELSEWHERE)),
        "no-audience": Defect("it is for nobody in particular", lambda f: replace(f, audience=None)),
        "no-recipient": Defect("its subject is confirmed for no address", lambda f: replace(f, recipient=None)),
        "no-expiry": Defect("it never expires", lambda f: replace(f, until_s=None)),
        "unsigned": Defect("nothing is signed", signs=""),
        "wrong-key": Defect("another key signed it, whose certificate it carries", signer="nobody"),
        "next-key": Defect("the key signed it that comes next, or that went before", signer="other"),
        "sha1": Defect("it is signed with SHA-1", hashing=SHA1),
        "tampered": Defect("its subject was changed after it was signed", in_response=_other_subject),
        **{
            name: Defect(words, in_response=lambda root, name=name: wrapped(root, name), signs=signs)  # type: ignore[misc]
            for name, (_, signs, words) in WRAPPINGS.items()
        },
        "comment-in-name": Defect(
            "a comment divides its name",
            lambda f: replace(f, name_id=NameId(f.name_id.value + COMMENTED, f.name_id.format)),
            in_assertion=_comment,
        ),
        REPLAYED: Defect("it has the identifier of the last one"),
        "no-in-response-to": Defect("it names no request", lambda f: replace(f, in_response_to=None)),
        "wrong-in-response-to": Defect("it answers a request that nobody made", lambda f: replace(f, in_response_to="_of-somebody-else")),
        "status": Defect(
            "the login failed", lambda f: replace(f, status=(RESPONDER, AUTHN_FAILED), message="the login failed", has_assertion=False)
        ),
        "status-with-assertion": Defect(
            "the login failed, and an assertion is there", lambda f: replace(f, status=(RESPONDER, AUTHN_FAILED))
        ),
    }
)
"""Each by the name that configurations and requests use."""

SIGNS: Final = {"response": ("response",), "assertion": ("assertion",), "both": ("assertion", "response"), "": ()}
"""What is signed, by the word for it."""
_ASSERTION: Final = "saml:Assertion"


@dataclass(frozen=True, slots=True)
class Seal:
    """How a service provider wants its responses."""

    signs: str = "both"
    encryption: Certificate | None = None
    content: str = "aes256-gcm"


def issued(facts: Facts, seal: Seal, keys: Keys, defect: Defect) -> bytes:
    """The response."""
    facts = defect.facts(facts)
    signs = SIGNS[seal.signs if defect.signs is None else defect.signs]
    by = keys.nobody() if defect.signer == "nobody" else keys.other() if defect.signer == "other" else keys.current
    root = response(facts)
    if facts.has_assertion:
        root = _assertion_sealed(root, seal, defect, by if "assertion" in signs else None)
    if "response" in signs or (signs and not facts.has_assertion):
        root = signed(root, ".", by, defect.hashing)
    return written(root if defect.in_response is None else defect.in_response(root))


def _assertion_sealed(root: Element, seal: Seal, defect: Defect, signer: Signer | None) -> Element:
    if signer is not None:
        root = signed(root, _ASSERTION, signer, defect.hashing)
    if defect.in_assertion is not None:
        defect.in_assertion(root)
    if seal.encryption is not None and defect.in_response is None:
        root = encrypted(root, _ASSERTION, seal.encryption, seal.content)
    return root
