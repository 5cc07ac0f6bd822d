"""Small plugin packages for tests: folders and archives."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

MANIFEST = """\
manifest_version: 1
id: hello-auth
version: 1.0.0
contract: "0.1"
kinds: [auth]
runtime: python
entry: plugin.py
description: Accepts requests that carry a known key.
license: MIT
permissions:
  request.headers: {names: [x-api-key], reason: reads the key the caller sends}
  secrets: {names: [api_keys], reason: the keys to accept}
limits: {memory_mb: 64, cpu_ms: 20, timeout_ms: 200, output_kb: 64}
config: {type: object, properties: {header: {type: string, default: X-API-Key, description: Header that carries the key.}}}
"""
FILES = {"plugin.yaml": MANIFEST, "plugin.py": "def authenticate(request):\n    return None\n", "data/words.txt": "one\n"}


def minimal(id: str, more: str = "", *, kinds: str = "[template]") -> str:
    """A manifest of sandboxed Python with no more than it must have, and these lines."""
    head = f'manifest_version: 1\nid: {id}\nversion: 1.0.0\ncontract: "0.1"\nkinds: {kinds}\n'
    return f"{head}runtime: python\nentry: plugin.py\n{more}\n"


def folder(root: Path, files: Mapping[str, str] = FILES, *, name: str = "hello_auth") -> Path:
    """A plugin folder with those files."""
    made = root / name
    for path, text in files.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text, encoding="utf-8")
    return made


def archive(root: Path, files: Mapping[str, str] = FILES, *, name: str = "hello_auth.zip", top: str = "") -> Path:
    """A zip archive with those files, below `top`."""
    made = root / name
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, text in files.items():
            opened.writestr(top + path, text)
    return made
