"""HTTP Message Signatures with a shared secret (RFC 9421 §3.3.3), and Content-Digest (RFC 9530).

A signature must cover the method, the path, the query, the body by its digest, and what the operator says. Its key decides the algorithm,
never the request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from hmac import compare_digest, digest
from typing import Any

from mockforge_plugin import Json, Request, now

from .content import hashed
from .dictionaries import SignatureInput, byte_sequences, field, signature_inputs
from .keys import NOBODY, Key
from .window import Window

_READABLE = frozenset({"content-digest", "content-type", "content-length", "date", "host"})
_DIGESTS: Mapping[str, Any] = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_PORTS = {"http": ":80", "https": ":443"}


class Refused(Exception):
    """A signature that is not accepted, and why, in words for the client."""


class Signatures:
    """Checks the signature of a request against the keys."""

    def __init__(self, config: Mapping[str, Json], keys: Mapping[str, Key], window: Window) -> None:
        self.keys, self.window = keys, window
        self.label = config.get("label")
        self.must_cover = tuple(config["cover"])
        self.readable = _READABLE.union(config["cover"], config["may_cover"])
        self.needs_authority, self.needs_nonce = bool(config["authority"]), config["nonce"] == "required"

    async def check(self, request: Request) -> Key | None:
        """The key that the request is signed with; None where it has no signature. Raises Refused and Malformed."""
        inputs, values = request.header_values("signature-input"), request.header_values("signature")
        if not inputs and not values:
            return None
        about, signature = self._chosen(field(inputs, "Signature-Input"), field(values, "Signature"))
        key = self._key(about)
        created, expires, nonce = self._times(about)
        self._covers(about, request)
        made = digest(key.secret, base_of(request, about, self.readable).encode("latin-1"), key.algorithm)
        if not compare_digest(made, signature) or key is NOBODY:
            raise Refused("the signature does not match: another key, or something that it covers was changed")
        moment, is_digested = self._moment(created, expires), "content-digest" in about.components
        await self._check_body(request, is_digested)
        if is_digested:
            moment = self._moment(created, expires)  # a body may take its time, longer than what was accepted is remembered
        if not await self.window.is_first(moment, created, key.id, nonce or made):
            raise Refused("the signature was used before: every request needs a nonce of its own")
        return key

    def _chosen(self, inputs: str, values: str) -> tuple[SignatureInput, bytes]:
        if not inputs or not values:
            raise Refused("Signature and Signature-Input must both be there")
        found, signatures = signature_inputs(inputs, "Signature-Input"), byte_sequences(values, "Signature")
        if self.label is None and len(found) != 1:
            raise Refused("there is more than one signature, and none is said to count")
        label = next(iter(found)) if self.label is None else self.label
        if label not in found or label not in signatures:
            raise Refused(f"there is no signature of the label '{label}'")
        return found[label], signatures[label]

    def _moment(self, created: int, expires: int | None) -> float:
        """Now, in Unix seconds. Raises Refused where a signature of those times is not accepted now."""
        moment = now().timestamp()
        fault = self.window.fault(moment, created, expires)
        if fault:
            raise Refused(fault)
        return moment

    def _key(self, about: SignatureInput) -> Key:
        """The key that it names, or one that nobody has."""
        name = about.parameters.get("keyid")
        if not isinstance(name, str):
            raise Refused("the signature names no key (keyid)")
        key = self.keys.get(name, NOBODY)
        if about.parameters.get("alg", f"hmac-{key.algorithm}") != f"hmac-{key.algorithm}" and key is not NOBODY:
            raise Refused(f"the key is used with hmac-{key.algorithm} only")
        return key

    def _times(self, about: SignatureInput) -> tuple[int, int | None, str]:
        """When it was made and ends, and its nonce."""
        told = about.parameters
        created, expires, nonce = told.get("created"), told.get("expires"), told.get("nonce", "")
        if type(created) is not int or not (expires is None or type(expires) is int):
            raise Refused("the signature does not say when it was made (created)")
        if not isinstance(nonce, str) or (self.needs_nonce and not 8 <= len(nonce) <= 256):
            raise Refused("the signature needs a nonce of 8 to 256 characters")
        return created, expires, nonce

    def _covers(self, about: SignatureInput, request: Request) -> None:
        """Raises Refused where it leaves something out that it must cover."""
        has = frozenset(about.components)
        is_target = "@target-uri" in has
        wanted = [*(() if is_target or "@request-target" in has else ("@path", "@query"))]
        if self.needs_authority and not is_target:
            wanted.append("@authority")
        sent = {name for name, _ in request.headers}
        wanted += [name for name in self.must_cover if name in sent]
        if "content-digest" in sent:
            wanted.append("content-digest")
        left_out = [name for name in ("@method", *wanted) if name not in has]
        if left_out:
            raise Refused(f"the signature does not cover {', '.join(left_out)}")

    async def _check_body(self, request: Request, is_digested: bool) -> None:
        """Raises Refused where the body is not the one that was signed."""
        if not is_digested:
            if request.body.size and await request.read_raw(length=1):
                raise Refused("the signature does not cover the body: send and sign a content-digest")
            return
        told = byte_sequences(field(request.header_values("content-digest"), "Content-Digest"), "Content-Digest")
        hashes = {name: _DIGESTS[name]() for name in told if name in _DIGESTS}
        if not hashes:
            raise Refused("Content-Digest has neither sha-256 nor sha-512")
        await hashed(request, hashes.values())
        if not all(compare_digest(value.digest(), told[name]) for name, value in hashes.items()):
            raise Refused("the body is not the one that was signed")


def base_of(request: Request, about: SignatureInput, readable: frozenset[str]) -> str:
    """The signature base (RFC 9421 §2.5). Raises Refused for components that cannot be read here."""
    lines = [f'"{name}": {_value(request, name, readable)}' for name in about.components]
    if any("\n" in line for line in lines):
        raise Refused("the signature covers something with a line break in it")
    return "\n".join([*lines, f'"@signature-params": {about.text}'])


def _value(request: Request, name: str, readable: frozenset[str]) -> str:
    if name.startswith("@"):
        derive = _DERIVED.get(name)
        if derive is None:
            raise Refused(f"the signature covers {name}, which is not supported here")
        return str(derive(request))
    if name not in readable:
        raise Refused(f"the signature covers {name}, which is not readable here: the operator can list it under `may_cover`")
    values = request.header_values(name)
    if not values:
        raise Refused(f"the signature covers {name}, which is not there")
    return ", ".join(value.strip(" \t") for value in values)


def _query(request: Request) -> str:
    if request.query_string is None:
        raise Refused("the query cannot be read here")
    return f"?{request.query_string}"


def _authority(request: Request) -> str:
    host = request.host.lower()
    return host.removesuffix(_PORTS.get(request.scheme, ":80"))


def _target(request: Request) -> str:
    query = _query(request)
    return request.raw_path + ("" if query == "?" else query)


_DERIVED: Mapping[str, Any] = {
    "@method": lambda request: request.method,
    "@authority": _authority,
    "@scheme": lambda request: request.scheme,
    "@path": lambda request: request.raw_path or "/",
    "@query": _query,
    "@request-target": _target,
    "@target-uri": lambda request: f"{request.scheme}://{_authority(request)}{_target(request)}",
}
"""What of a request is signed beside its fields (RFC 9421 §2.2)."""
