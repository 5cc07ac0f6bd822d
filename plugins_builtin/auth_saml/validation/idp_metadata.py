"""What a provider says of itself in its metadata (SAML metadata §2.4.3): keys, where browsers are sent, until when that holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from .checked import Element, Refused, parse
from .keys import BadKey, certificate_pem
from .names import POST, REDIRECT, SAMLP, tag
from .times import seconds

MAX_BYTES: Final = 4 << 20
_BINDINGS: Final = {REDIRECT: "redirect", POST: "post"}
_DURATION: Final = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})(?:\.\d+)?S)?)?")
_URL: Final = re.compile(r"https?://[!-~]+", re.I)


def read_metadata(data: bytes, entity_id: str | None, now_s: float) -> dict[str, Any]:
    """The provider of that name; without one the only one there is. Raises Refused."""
    if len(data) > MAX_BYTES:
        raise Refused(f"the metadata has more than {MAX_BYTES} bytes")
    root = parse(data)
    entity = _entity(root, entity_id)
    role = next((each for each in entity.iterfind(tag("md:IDPSSODescriptor")) if SAMLP in _protocols(each)), None)
    if role is None:
        raise Refused(f"{entity.get('entityID')!r:.200} is no identity provider of SAML 2.0 (IDPSSODescriptor)")
    chain = [role, entity, *entity.iterancestors()]
    ends_s = [seconds(each.get("validUntil"), "validUntil") for each in chain if each.get("validUntil") is not None]
    if any(end_s <= now_s for end_s in ends_s):
        raise Refused("the metadata has expired (validUntil): have the provider renew it")
    certificates, passed_over = _certificates(role)
    if not certificates:
        raise Refused(f"the metadata has no key to verify signatures with: {'; '.join(passed_over) or 'there is no KeyDescriptor'}")
    places = {"sso": _places(role, "md:SingleSignOnService"), "slo": _places(role, "md:SingleLogoutService")}
    if not places["sso"]:
        raise Refused("the metadata does not say where logins begin by redirect or POST (SingleSignOnService)")
    return {
        "entity_id": entity.get("entityID"),
        "certificates": certificates,
        "passed_over": passed_over,
        "valid_until_s": min(ends_s, default=None),
        "cache_s": min((found for each in chain if (found := _duration(each.get("cacheDuration"))) is not None), default=None),
        **places,
    }


def _entity(root: Element, entity_id: str | None) -> Element:
    entities = [root] if root.tag == tag("md:EntityDescriptor") else list(root.iter(tag("md:EntityDescriptor")))
    if root.tag not in (tag("md:EntityDescriptor"), tag("md:EntitiesDescriptor")):
        raise Refused("it is no SAML metadata (EntityDescriptor)")
    found = [each for each in entities if each.get("entityID") and entity_id in (None, each.get("entityID"))]
    if entity_id is None and len(found) > 1:
        found = [each for each in found if each.find(tag("md:IDPSSODescriptor")) is not None]
    if len(found) != 1:
        names = ", ".join(str(each.get("entityID")) for each in entities[:10])
        raise Refused(f"the metadata does not have that one provider; it has {names:.500}. Name one as `entity_id`")
    return found[0]


def _protocols(role: Element) -> list[str]:
    return str(role.get("protocolSupportEnumeration", "")).split()


def _certificates(role: Element) -> tuple[list[str], list[str]]:
    """Those that may sign, in order, and what is wrong with others."""
    good, bad = dict[str, None](), list[str]()
    path = "/".join(map(tag, ("ds:KeyInfo", "ds:X509Data", "ds:X509Certificate")))
    for key in role.iterfind(tag("md:KeyDescriptor")):
        if key.get("use") not in (None, "signing"):
            continue
        for certificate in key.iterfind(path):
            try:
                good[certificate_pem(certificate.text or "")] = None
            except BadKey as error:
                bad.append(str(error))
    return list(good)[:10], bad[:10]


def _places(role: Element, name: str) -> dict[str, dict[str, str]]:
    """By binding: where messages go, and where answers go (`ResponseLocation`)."""
    return dict(reversed(list(_each_place(role.iterfind(tag(name))))))


def _each_place(services: Iterable[Element]) -> Iterator[tuple[str, dict[str, str]]]:
    for service in services:
        binding, place = _BINDINGS.get(service.get("Binding", "")), service.get("Location", "")
        answers = service.get("ResponseLocation") or place
        if binding is not None and _URL.fullmatch(place) and _URL.fullmatch(answers) and len(place) + len(answers) < 4000:
            yield binding, {"url": place, "answers": answers}


def _duration(text: str | None) -> float | None:
    """Seconds; None for months and years, which have no fixed length, and for what is no duration."""
    found = None if text is None else _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, secs = (int(each or 0) for each in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60.0 + secs
