"""Mocks that `auth-hmac` guards, native and sandboxed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugins_builtin.auth_hmac.tests.signing import GITHUB, KEY, SLACK, STRIPE

FOLDER = Path(__file__).resolve().parents[1]
SECRETS = {"ci": KEY, "long": KEY * 2, "github": GITHUB, "stripe": STRIPE, "slack": SLACK}


def sandboxed(folder: Path) -> Path:
    """The same plugin under another id, to run in the sandbox."""
    made = folder / "signed_requests"
    shutil.copytree(FOLDER, made, ignore=shutil.ignore_patterns("tests", "__pycache__"), dirs_exist_ok=True)
    manifest = made / "plugin.yaml"
    manifest.write_text(manifest.read_text().replace("id: auth-hmac", "id: signed-requests").replace("runtime: native", "runtime: python"))
    return made


def mock(config: Mapping[str, Any] | None = None, *, sandbox: Path | None = None, **more: Any) -> dict[str, Any]:
    """A configuration: `/orders/**` and `/hook` are for who signs; the answer says who that was, and what came of the body."""
    said = {"keys": {"ci": {"secret": "ci", "roles": ["deployer"]}, "long": {"secret": "long", "algorithm": "sha512"}}, **(config or {})}
    plugin: dict[str, Any] = {"use": "auth-hmac", "config": said}
    if sandbox is not None:
        names = ["signature", "signature-input", "content-digest", "content-type", "content-length", "date", "host", "x-hub-signature-256"]
        names += ["stripe-signature", "x-slack-signature", "x-slack-request-timestamp", *said.get("cover", ()), *said.get("may_cover", ())]
        grants = {
            "request": {"headers": names, "query": ["*"], "body": True},
            "secrets": [key["secret"] for key in said["keys"].values()],
            "kv": {"max_keys": 200000, "max_bytes": 67108864},
        }
        plugin = {"use": str(sandboxed(sandbox)), "config": said, "grants": grants}
    return {
        "version": 1,
        "dev": True,
        "plugins": {"signed": plugin},
        "secrets": {name: {"value": value} for name, value in SECRETS.items()},
        "backoff": False,
        "protect": [{"path": "/orders/**", "auth": ["signed"]}, {"path": "/hook", "auth": ["signed"]}],
        "routes": [
            {"match": {"path": "/**"}, "response": {"template_text": "{{ request.principal.id }} {{ request.body | length }}"}},
        ],
        **more,
    }
