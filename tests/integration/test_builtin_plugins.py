"""Built-in plugins as a user meets them: named by id, without path, digest, trust or grants; and nobody else takes their name.

Run in a clone of its own, whose only built-in plugin is a small one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """\
manifest_version: 1
id: auth-trial
version: 1.0.0
contract: "0.1"
kinds: [auth]
runtime: native
entry: plugin.py
description: Lets pass who sends the secret.
license: MIT
requires: {modules: [json], extra: auth}
permissions:
  request.headers: {config: [header], reason: reads the secret}
  secrets: {config: [secret], reason: the secret}
config: {type: object, required: [secret], properties: {header: {type: string, default: X-Secret}, secret: {type: string}}}
"""
PLUGIN = """\
from mockforge_plugin import Allow, AuthPlugin, Deny, Principal, secret
from .names import NAME


class Plugin(AuthPlugin):
    async def init(self, config):
        self.header, self.secret = config["header"].lower(), secret(config["secret"])

    async def authenticate(self, request):
        sent = request.headers.get(self.header)
        if sent is None:
            return None
        return Allow(Principal(NAME)) if sent == self.secret else Deny(401, "wrong secret", 'Custom realm="x"')
"""
ASK = """\
import asyncio
from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client

async def main():
    async with Client(MockForge(config="mockforge.yaml")) as client:
        for headers in ({}, {"x-secret": "no"}, {"x-secret": "s3"}):
            response = await client.get("/a", headers=headers)
            print(response.status, response.header("www-authenticate"))

asyncio.run(main())
"""
CONFIG = """\
version: 1
plugins: {door: {use: auth-trial, config: {secret: mine}}}
secrets: {mine: {value: s3}}
protect: [{path: /**, auth: door}]
routes: [{match: {path: /a}, response: {text: hello}}]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("mockforge_asgi", "mockforge_plugin", "hatch_build.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    builtin = tmp_path / "plugins_builtin" / "auth_trial"
    write(builtin, {"plugin.yaml": MANIFEST, "plugin.py": PLUGIN, "names.py": 'NAME = "ada"\n', "tests/test_it.py": "not Python at all\n"})
    write(tmp_path / "here", {"mockforge.yaml": CONFIG})
    return tmp_path


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python of the clone, in its folder `here`."""
    environment = {"PYTHONPATH": str(clone), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(clone)}
    command = [sys.executable, "-W", "error", *words]
    return subprocess.run(command, cwd=clone / "here", env=environment, capture_output=True, text=True, check=False)


def mockforge(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(clone, "-m", "mockforge_asgi", *words)


def test_an_id_is_enough(clone: Path) -> None:
    done = run(clone, "-c", ASK)
    assert done.stdout.splitlines() == ["401 Custom", '401 Custom realm="x"', "200 None"], done.stderr
    assert mockforge(clone, "check").stdout.startswith("mockforge.yaml is fine.")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("auth-trial", "auth-trail", "there is no built-in plugin 'auth-trail'. Did you mean 'auth-trial'? Built in are auth-trial."),
        (
            "auth-trial",
            "auth-trial@^1",
            "'auth-trial@^1' asks for a version of a built-in plugin, and there is one. Write",
        ),
        ("auth-trial", "auth_trial", "auth_trial: is neither a folder nor a file. Check the path. Or is the built-in plugin meant?"),
        ("secret: mine", "secret: main", "asks for a secret 'main', which there is not. Did you mean 'mine'?"),
        ("secret: mine}", "secret: mine}, grants: {}", "the plugin needs request.headers, secrets, which are not granted."),
        ("secret: mine}", "secret: mine, header: '*'}", "plugins.door.config.header: '*' is not the name of a header."),
    ],
)
def test_what_is_wrong_with_its_entry_is_told(clone: Path, before: str, after: str, words: str) -> None:
    write(clone / "here", {"mockforge.yaml": CONFIG.replace(before, after, 1)})
    done = mockforge(clone, "check")
    assert done.returncode == 1 and words in done.stderr + done.stdout


def test_what_is_granted_in_writing_is_all_that_it_may(clone: Path) -> None:
    grants = "secret: mine}, grants: {request: {headers: [x-secret]}, secrets: [mine]}"
    write(clone / "here", {"mockforge.yaml": CONFIG.replace("secret: mine}", grants)})
    assert run(clone, "-c", ASK).stdout.splitlines()[-1] == "200 None"


def test_it_may_run_in_worker_processes_and_needs_no_trust(clone: Path) -> None:
    write(clone / "here", {"mockforge.yaml": CONFIG.replace("secret: mine}", "secret: mine}, native: {workers: process}")})
    assert run(clone, "-c", ASK).stdout.splitlines()[-1] == "200 None"
    write(clone / "here", {"mockforge.yaml": CONFIG.replace("secret: mine}", f"secret: mine}}, native: {{trust: sha256-{'0' * 64}}}")})
    assert "native.trust: has no effect: the plugin is built in." in mockforge(clone, "check").stderr


@pytest.mark.parametrize("runtime", ["native", "python"])
def test_no_other_package_has_its_id(clone: Path, runtime: str) -> None:
    manifest = MANIFEST.replace("native", runtime).replace("requires: {modules: [json], extra: auth}\n", "")
    write(clone / "here" / "mine", {"plugin.yaml": manifest, "plugin.py": PLUGIN, "names.py": "NAME = 'x'\n"})
    write(clone / "here", {"mockforge.yaml": CONFIG.replace("use: auth-trial", "use: ./mine")})
    done = mockforge(clone, "check")
    assert done.returncode == 1 and "the package calls itself 'auth-trial', which is a built-in plugin." in done.stdout + done.stderr


def test_a_missing_module_is_told_with_the_extra_that_has_it(clone: Path) -> None:
    built = "requires: {modules: [json, no_such_module], extra: ldap, system: {Debian: apt-get install libldap-dev}}"
    manifest = MANIFEST.replace("requires: {modules: [json], extra: auth}", built)
    write(clone / "plugins_builtin" / "auth_trial", {"plugin.yaml": manifest})
    done = mockforge(clone, "check")
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "needs the Python module no_such_module, which is not installed. Install it: pip install 'mockforge-asgi[ldap]'" in said
    assert "It is built from source, which needs, on Debian: apt-get install libldap-dev." in said
    assert "ldap (not installed)" in mockforge(clone, "plugin", "list", "--builtin").stdout


def test_the_command_line_knows_them_by_id(clone: Path) -> None:
    listed = mockforge(clone, "plugin", "list", "--builtin").stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["ID", "VERSION", "KINDS", "NEEDS", "DESCRIPTION"],
        ["auth-trial", "1.0.0", "auth", "auth", "Lets", "pass", "who", "sends", "the", "secret."],
    ]
    said = mockforge(clone, "plugin", "validate", "auth-trial").stdout
    assert "auth-trial 1.0.0 is fine." in said and "needs: json (extra auth)" in said and "  3 files," in said
    assert "reads secrets: what the configuration says at `secret`: the secret" in said
    described = mockforge(
        clone, "plugin", "call", "auth-trial", "describe", "--config", '{"secret": "a"}', "--host-calls", '{"secrets": {"a": "b"}}'
    )
    assert '"auth.authenticate"' in described.stdout, described.stderr
