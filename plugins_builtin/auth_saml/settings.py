"""What is wrong with a configuration that a JSON Schema cannot say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mockforge_plugin.login import Sessions, local_path, url_problems

from .people import People
from .provider import address_problem

Config = Mapping[str, Any]
Problem = tuple[str, str]
_RISK: Final = "whoever is on the way can give keys of their own"
_BEGIN: Final = "-----BEGIN"
_URI: Final = re.compile(r"[!-~]{1,1024}")


def problems(config: Config) -> Iterator[Problem]:
    """Each mistake with its place: what, why, and what to do."""
    for name, entry in config["idps"].items():
        yield from ((f"idps.{name}.{at}" if at else f"idps.{name}", words) for at, words in _source_problems(entry, config))
    yield from _id_problems(config)
    yield from _key_problems(config)
    yield from _browser_problems(config)
    if _URI.fullmatch(config.get("entity_id", "x")) is None:
        yield "entity_id", "it is a URI without blanks, such as https://orders.example/saml"


def _source_problems(entry: Config, config: Config) -> Iterator[Problem]:
    url, file = entry.get("metadata_url"), entry.get("metadata_file")
    if (url is None) == (file is None):
        yield "", "it must have either `metadata_url` or `metadata_file`: keys and addresses of the provider are read from there"
    elif url is not None:
        words = address_problem(url, plain_http=bool(config.get("plain_http")), risk=_RISK)
        if words is not None:
            yield "metadata_url", words
    elif file is not None and not os.path.isfile(file):
        yield "metadata_file", f"there is no file {os.path.abspath(file)!r:.300}. Save the provider's metadata there, best by a whole path"


def _id_problems(config: Config) -> Iterator[Problem]:
    """Each provider can name any user it likes: those of one must not be taken for those of another."""
    prefixes = [People.from_config(name, config).id_prefix for name in config["idps"]]
    may_mix = any(one.startswith(other) for i, one in enumerate(prefixes) for j, other in enumerate(prefixes) if i != j)
    if may_mix and not config.get("shared_ids"):
        words = (
            "any of several providers could name the users of the others. Give each an `id_prefix` such as `corp:`, none of which begins "
        )
        yield "idps", f"{words}with another, or write `shared_ids: true` where all of them may name the same users"


def _key_problems(config: Config) -> Iterator[Problem]:
    if ("private_key" in config) != ("certificate" in config):
        yield "private_key", "it needs `certificate`, and the other way round: providers know the key by its certificate"
    elif (certificate := config.get("certificate")) and _BEGIN not in certificate and not os.path.isfile(certificate):
        yield "certificate", f"there is no file {os.path.abspath(certificate)!r:.300}. Write the certificate as PEM, or a file with it"
    if config.get("want_assertions_encrypted") and "private_key" not in config:
        yield "want_assertions_encrypted", "it needs `private_key` and `certificate`: without a key nobody can encrypt for this service"
    if not config.get("want_assertions_signed", True) and not config.get("want_messages_signed"):
        yield "want_assertions_signed", "false needs `want_messages_signed: true`: something must be signed"


def certificate_of(config: Config) -> str | None:
    """The service's certificate as PEM. Raises OSError."""
    said = config.get("certificate")
    if said is None or _BEGIN in said:
        return said
    with open(said, encoding="ascii") as file:
        return file.read(20_000)


def _browser_problems(config: Config) -> Iterator[Problem]:
    session = config.get("session") or {}
    if url := config.get("public_url"):
        yield from (("public_url", words) for words in url_problems(url, may_be_plain=session.get("secure") is False))
    if (after := config.get("after_logout")) and local_path(after, "") != after:
        yield "after_logout", "it must be a path of this application, such as /goodbye"
    yield from ((f"session.{path}" if path else "session", words) for path, words in Sessions.problems(session))
