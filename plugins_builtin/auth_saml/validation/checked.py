"""The first pass over a message of a stranger: parsed without entities, and refused unless all of it is on the list.

Done before the SAML library sees the message, and again over what was decrypted: the library, and xmlsec below it, follow references,
run transforms and open files before they know whether a signature is right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from lxml import etree

from .grammar import CHILDREN, FOREIGN, KEY_INFO_CHILDREN, ONCE
from .names import CBC, DIGESTS, DS, EC, ENVELOPED, GCM, OAEP, OAEP_DIGESTS, PREFIXES, SAML, SIGNATURES, XENC11, XML, tag

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 5000
_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,255}")
_ID_NAMES: Final = frozenset({"ID", "Id", "id", f"{{{XML}}}id"})
_OURS: Final = frozenset(PREFIXES.values())
_SIGNATURE, _KEY_INFO, _REFERENCE = tag("ds:Signature"), tag("ds:KeyInfo"), tag("ds:Reference")
_MGF1: Final = frozenset(f"{XENC11}mgf1{digest}" for digest in ("sha1", "sha256", "sha384", "sha512"))
_SIGNED: Final = frozenset(map(tag, ("samlp:Response", "saml:Assertion", "samlp:LogoutRequest", "samlp:LogoutResponse")))

Element = Any
"""lxml's `_Element`."""


class Refused(Exception):
    """The message is not accepted; the words are for the operator. `is_signature`: it may be right by a key that is not known yet."""

    def __init__(self, words: str, *, is_signature: bool = False) -> None:
        self.is_signature = is_signature
        super().__init__(words)


def read_message(data: bytes, roots: Collection[str], *, allow_cbc: bool = False) -> Element:
    """The root of a message that is one of `roots` (as `samlp:Response`), every part of it on the list. Raises Refused."""
    if len(data) > MAX_BYTES:
        raise Refused(f"it has more than {MAX_BYTES} bytes")
    root = parse(data)
    if root.tag not in map(tag, roots):
        raise Refused(f"it is {_shown(root)}, not {' or '.join(roots)}")
    _Pass(allow_cbc).check(root)
    return root


def parse(data: bytes, *, huge: bool = False) -> Element:
    """The root of an XML document without a document type. Raises Refused."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=huge)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refused(f"it is not XML: {str(error)[:200]}") from None
    document = root.getroottree().docinfo
    if document.doctype or document.internalDTD is not None or document.externalDTD is not None:
        raise Refused("it has a document type (DTD)")
    if root.getprevious() is not None or root.getnext() is not None:
        raise Refused("it has comments or processing instructions")
    return root


class _Pass:
    """One pass over one document."""

    def __init__(self, allow_cbc: bool) -> None:
        self._allow_cbc, self._ids, self._elements = allow_cbc, set[str](), 0

    def check(self, root: Element) -> None:
        """Raises Refused."""
        waiting = [(root, 1, False)]
        while waiting:
            element, depth, is_foreign = waiting.pop()
            self._elements += 1
            if depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
                raise Refused(f"it is nested more than {MAX_DEPTH} deep, or has more than {MAX_ELEMENTS} elements")
            self._check_ids(element)
            self._check_algorithms(element)
            waiting += ((child, depth + 1, foreign) for child, foreign in self._children(element, is_foreign))

    def _children(self, element: Element, is_foreign: bool) -> Iterator[tuple[Element, bool]]:
        allowed, once = CHILDREN.get(element.tag, frozenset()), set[str]()
        if element.tag == _KEY_INFO:
            allowed = KEY_INFO_CHILDREN.get(element.getparent().tag, frozenset())
        for child in element:
            if not isinstance(child.tag, str):
                raise Refused("it has comments, processing instructions or entities")
            if is_foreign or child.tag not in allowed:
                is_others = etree.QName(child).namespace not in _OURS
                if not is_others or not (is_foreign or element.tag in FOREIGN):
                    raise Refused(f"{_shown(child)} is not accepted within {_shown(element)}")
                yield child, True
                continue
            if child.tag in ONCE and child.tag in once:
                raise Refused(f"{_shown(child)} stands twice within {_shown(element)}")
            once.add(child.tag)
            yield child, False

    def _check_ids(self, element: Element) -> None:
        """An id that two elements have lets a signature of the one be taken for the other's."""
        for name in _ID_NAMES.intersection(element.keys()):
            value = element.get(name)
            if value in self._ids:
                raise Refused("two of its elements have the same id")
            self._ids.add(value)
        if element.tag in _SIGNED and _ID.fullmatch(element.get("ID", "")) is None:
            raise Refused(f"{_shown(element)} has no ID that could be referred to")

    def _check_algorithms(self, element: Element) -> None:
        name = etree.QName(element)
        if name.namespace == DS and name.localname == "Signature":
            self._check_signature(element)
        elif element.tag == tag("xenc:EncryptedData"):
            accepted = GCM | CBC if self._allow_cbc else GCM
            method = _algorithm(element, "xenc:EncryptionMethod", accepted | CBC, "encryption")
            if method not in accepted:
                raise Refused("it is encrypted with AES-CBC, which does not show tampering: use AES-GCM, or write `allow_cbc: true`")
        elif element.tag == tag("xenc:EncryptedKey"):
            _algorithm(element, "xenc:EncryptionMethod", OAEP, "key transport")
        elif element.tag == tag("xenc:EncryptionMethod"):
            for child, accepted in (("ds:DigestMethod", OAEP_DIGESTS), ("xenc11:MGF", _MGF1)):
                if element.find(tag(child)) is not None:
                    _algorithm(element, child, accepted, "OAEP")

    @staticmethod
    def _check_signature(signature: Element) -> None:
        """One reference, to what the signature stands in, and nothing but the usual transforms (SAML core §5.4)."""
        holder, info = signature.getparent(), _child(signature, "ds:SignedInfo")
        if holder.tag not in _SIGNED:
            raise Refused(f"a signature stands within {_shown(holder)}")
        _algorithm(info, "ds:CanonicalizationMethod", {EC}, "canonicalization")
        _algorithm(info, "ds:SignatureMethod", SIGNATURES, "signature")
        reference = _child(info, "ds:Reference")
        if reference.get("URI") != f"#{holder.get('ID')}":
            raise Refused("a signature refers to another element than that which it stands in")
        _algorithm(reference, "ds:DigestMethod", DIGESTS, "digest")
        transforms = [each.get("Algorithm") for each in _child(reference, "ds:Transforms")]
        if transforms != [ENVELOPED, EC]:
            raise Refused(f"a signature has other transforms than enveloped and exclusive canonicalization: {transforms!r:.200}")


def _child(element: Element, name: str) -> Element:
    found = element.find(tag(name))
    if found is None:
        raise Refused(f"{_shown(element)} has no {name}")
    return found


def _algorithm(element: Element, name: str, accepted: Collection[str], what: str) -> str:
    algorithm = _child(element, name).get("Algorithm", "")
    if algorithm not in accepted:
        raise Refused(f"the {what} algorithm {algorithm[:100]!r} is not accepted")
    return str(algorithm)


def _shown(element: Element) -> str:
    name = etree.QName(element)
    prefix = next((prefix for prefix, namespace in PREFIXES.items() if namespace == name.namespace), None)
    return f"{prefix}:{name.localname}"[:100] if prefix else repr(f"{name.localname}"[:100])


def signature_of(element: Element) -> Element | None:
    """The signature that stands right within an element."""
    return element.find(_SIGNATURE)


def texts(element: Element, path: str) -> list[str]:
    """The texts at a path such as `saml:Conditions/saml:AudienceRestriction`, blanks around them left out."""
    return [(each.text or "").strip() for each in element.findall("/".join(map(tag, path.split("/"))))]


ASSERTION: Final = f"{{{SAML}}}Assertion"
