"""What `mockforge check` tells of the configuration of built-in plugins is what a start would tell; nobody else's code is run for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.config.builtin import builtin_plugins
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.plugins.builtin_config import SecretsOnly, check_builtin_configs
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.plugins.package.package import read_package
from mockforge_asgi.testing import Client
from tests.support.plugin_packages import folder, minimal

SCRIPT = Path(sys.executable).with_name("mockforge")
JWT_WITHOUT_KEY = """\
use: auth-jwt
    config:
      audience: me
"""
JWT_REMOTE = """\
use: auth-jwt
    config:
      issuer: https://idp.example
      jwks_url: http://idp.example/keys
"""
JWT_PEM = """\
use: auth-jwt
    config:
      audience: me
      keys:
        - {secret: k, alg: HS256}
        - alg: RS256
          pem: nonsense
"""
LDAP = """\
use: auth-ldap
    native: {workers: process}
    config:
      servers:
        - ldap://directory.example
      ca_file: nowhere.pem
      bind_as: uid={user},dc=example
"""
OAUTH2 = """\
use: auth-oauth2
    config:
      introspection_url: https://idp.example/introspect
      client_id: me
      client_secret: k
"""
HMAC = """\
use: auth-hmac
    config:
      preset: github
      nonce: optional
      keys:
        a.b:
          secret: k
"""
BASIC = """\
use: auth-basic
    config:
      users: k
"""
API_KEY = """\
use: auth-api-key
    config:
      keys: k
      roles:
        nobody.at.all: [admin]
"""


def write(place: Path, plugin: str, secret: str = "{value: key=ada}") -> Path:
    """A configuration whose plugin `door` begins in line 4."""
    file = place / "mockforge.yaml"
    routes = "routes: [{match: {path: /a}, response: {text: a}}]"
    file.write_text(f"version: 1\nplugins:\n  door:\n    {plugin}secrets: {{k: {secret}}}\n{routes}\n")
    return file


def check(place: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command, environment = [str(SCRIPT), "check"], {**os.environ, **(env or {})}
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=60, env=environment)


async def start(file: str) -> str:
    """What a start says."""
    with pytest.raises(RuntimeError, match="plugins could not be started: ") as raised:
        async with Client(MockForge(config=file)):
            pass
    return str(raised.value).partition("could not be started: ")[2]


def needed(*ids: str) -> None:
    for id in ids:
        if (requires := read_package(builtin_plugins()[id], id).manifest.requires).missing and "CI" not in os.environ:
            pytest.skip(f"{id}: {requires.remedy}")


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (JWT_WITHOUT_KEY, ["5 plugins.door.config: there is no key to verify"]),
        (JWT_REMOTE, ["7 plugins.door.config.jwks_url: over plain http", "5 plugins.door.config.audience: without it any token"]),
        (JWT_PEM, ["9 plugins.door.config.keys[1]: it is not PEM"]),
        (LDAP, ["7 plugins.door.config.servers: ldap://directory.example would", "9 plugins.door.config.ca_file: '"]),
        (OAUTH2, ["5 plugins.door.config.audience: without it any token"]),
        (HMAC, ["10 plugins.door.config.keys.a.b.secret: secret 'k': the key has 7 bytes", "7 plugins.door.config.nonce: has no effect"]),
        (BASIC, ["6 plugins.door.config.users: secret 'k', line 1: it must be `name:hash`"]),
        (API_KEY, ["8 plugins.door.config.roles.nobody.at.all: there is no key of that name"]),
    ],
)
async def test_check_tells_what_a_start_would_tell_with_its_line(
    plugin: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed(plugin.split()[1])
    write(tmp_path, plugin)
    done = check(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert all(f"  - mockforge.yaml:{words}" in done.stderr for words in said), done.stderr
    monkeypatch.chdir(tmp_path)
    as_logged = done.stderr.strip().replace(".secret: secret", ".secret: [redacted]")  # a log leaves out whatever might be one
    assert as_logged == await start("mockforge.yaml") and done.stderr.count("\n  - ") == len(said)


def test_of_a_secret_that_cannot_be_read_here_nothing_is_said_but_the_warning(tmp_path: Path) -> None:
    needed("auth-hmac")
    two = HMAC.replace("      nonce: optional\n", "") + "        c:\n          secret: k\n          algorithm: sha512\n"
    write(tmp_path, two.replace("          algorithm: sha512\n", ""), "{env: MOCKFORGE_NOT_SET}")
    done = check(tmp_path)
    assert (done.returncode, done.stderr.count("MOCKFORGE_NOT_SET"), done.stderr.count("\n")) == (0, 2, 1)
    assert "the key has 3 bytes" in check(tmp_path, {"MOCKFORGE_NOT_SET": "abc"}).stderr
    write(tmp_path, two, "{env: MOCKFORGE_NOT_SET}")
    done = check(tmp_path)
    assert done.returncode == 1 and "mockforge.yaml:12 plugins.door.config.keys.c.algorithm: " in done.stderr
    assert "cannot be read here" not in done.stderr


REFUSES = """\
import os

def validate_config(config):
    return [("inner.list[1]", "is odd"), "and more"]

def authenticate(request):
    return None
"""


@pytest.mark.parametrize("runtime", ["python", "native"])
async def test_other_plugins_are_not_run_by_check_and_refuse_with_the_line_at_start(runtime: str, tmp_path: Path) -> None:
    schema = "config: {type: object, properties: {inner: {type: object}}}"
    manifest = minimal("mine", schema, kinds="[auth]").replace("runtime: python", f"runtime: {runtime}")
    made = folder(tmp_path, {"plugin.yaml": manifest, "plugin.py": REFUSES}, name="mine")
    trust = f"    native: {{trust: {read_package(made).digest}}}\n" if runtime == "native" else ""
    file = write(tmp_path, f"use: ./mine\n{trust}    config:\n      inner:\n        list:\n          - 1\n          - 2\n")
    assert check(tmp_path).stdout.startswith("mockforge.yaml is fine.")
    line = 5 + bool(trust)
    assert (await start(str(file))).splitlines()[1:] == [
        f"  - {file}:{line + 4} plugins.door.config.inner.list[1]: is odd",
        f"  - {file}:{line} plugins.door.config: and more",
    ]


def test_a_plugin_that_is_asked_may_read_its_secrets_and_nothing_else(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, API_KEY.replace("nobody.at.all", "ada")))
    report = check_plugins(config)
    assert not check_builtin_configs(config, report).refused
    calls = SecretsOnly(report.authorized["door"], config)
    assert calls.call_now("secret.get", {"name": "k"}) == {"value": "key=ada"}
    for name, payload in (("secret.get", {"name": "other"}), ("http.request", {"url": "http://127.0.0.1"}), ("kv.get", {"key": "a"})):
        with pytest.raises(HostCallError, match=f"{name} is not answered"):
            calls.call_now(name, payload)
