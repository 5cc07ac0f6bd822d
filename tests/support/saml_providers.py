"""Real SAML identity providers for tests, which we did not write: npm's `samlp` and PyPI's `pysaml2` with xmlsec1, on the loopback.

Where CI is set, neither Node.js 20 nor xmlsec1 nor a package index may be missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.support.begun import begun
from tests.support.npm import installed
from tests.support.toolchains import missing

HERE = Path(__file__).parent / "saml_idp"
Kind = Literal["samlp", "pysaml2"]
KINDS: tuple[Kind, ...] = ("samlp", "pysaml2")


@dataclass(frozen=True, slots=True)
class SamlProvider:
    """A running provider. Users are `ada` and `eve`; a password is the name read backwards."""

    kind: Kind
    base: str
    process: subprocess.Popen[str]

    @property
    def metadata_url(self) -> str:
        """Where its metadata are."""
        return f"{self.base}/metadata"

    def trust(self, entity_id: str, acs: str, slo: str, metadata: str, certificate: str, **how: Any) -> None:
        """Tell it of a service, and how its responses are to be made."""
        told = {"entityId": entity_id, "acs": acs, "slo": slo, "metadata": metadata, "cert": certificate, **how}
        httpx.post(f"{self.base}/__service", json=told, trust_env=False).raise_for_status()


@contextmanager
def saml_provider(kind: Kind, key: str, certificate: str) -> Iterator[SamlProvider]:
    """One that signs with that key."""
    if kind == "samlp":
        command = ["node", str(installed(HERE) / "server.mjs")]
    else:
        if shutil.which("xmlsec1") is None:
            missing("xmlsec1 is missing: apt-get install xmlsec1")
        command = [sys.executable, str(HERE / "pysaml2_idp.py")]
    with begun(command, HERE, told=json.dumps({"key": key, "cert": certificate}) + "\n") as (process, line):
        yield SamlProvider(kind, json.loads(line)["base"], process)
