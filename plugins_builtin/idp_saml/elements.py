"""XML as SAML has it: namespaces, elements, times and ids; and how a document of a stranger is read."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Final

from lxml import etree
from lxml.builder import ElementMaker

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
NAMES: Final = {"saml": SAML, "samlp": SAMLP, "md": METADATA, "ds": DS, "xenc": XENC}

POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"

MAX_BYTES: Final = 256 * 1024
"""The longest document of a stranger that is read."""
MAX_DEPTH: Final = 40

Element = Any
"""An element of lxml, which brings no types."""

saml: Final[Any] = ElementMaker(namespace=SAML, nsmap={"saml": SAML})
samlp: Final[Any] = ElementMaker(namespace=SAMLP, nsmap={"samlp": SAMLP, "saml": SAML})
md: Final[Any] = ElementMaker(namespace=METADATA, nsmap={"md": METADATA, "ds": DS})


class BadXml(ValueError):
    """A document that is not read, with the reason."""


def parsed(data: bytes) -> Element:
    """The root element of a stranger's document: no document type, no entities, no network, bounded. Raises BadXml."""
    if len(data) > MAX_BYTES:
        raise BadXml(f"it is longer than {MAX_BYTES // 1024} KiB")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True, collect_ids=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadXml("it is not well-formed XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadXml("it has a document type, which SAML messages may not have")
    _bound_depth(root)
    return root


def written(element: Element) -> bytes:
    """The element as a document."""
    data: bytes = etree.tostring(element)
    return data


def reread(element: Element) -> Element:
    """The same document read anew: what signing and encrypting put into it is then there for everybody."""
    return etree.fromstring(written(element))


def text_of(element: Element, path: str) -> str | None:
    """The text of the first element at that path, blanks around it left out; None where there is none."""
    found = element.find(path, NAMES)
    return None if found is None or found.text is None else str(found.text).strip() or None


def new_id() -> str:
    """An identifier that nobody can guess (SAML core §1.3.4)."""
    return f"_{secrets.token_hex(20)}"


def instant(unix_s: float) -> str:
    """A time as SAML writes it (core §1.3.3): UTC, whole seconds."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bound_depth(root: Element) -> None:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise BadXml(f"it is nested more than {MAX_DEPTH} deep")
