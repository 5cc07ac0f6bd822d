"""The real console script, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import mockforge_asgi
from tests.support.plugin_packages import FILES, MANIFEST, folder

SCRIPT = Path(sys.executable).with_name("mockforge")
GOOD = """\
version: 1
plugins: {auth: {use: ./hello_auth, grants: {request: {headers: [x-api-key]}, secrets: [api_keys]}}}
secrets: {api_keys: {value: k}}
routes: [{match: {path: /a}, response: {text: a}}]
"""


def run(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **(env or {})}
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder(tmp_path)
    (tmp_path / "mockforge.yaml").write_text(GOOD)
    return tmp_path


def test_version_names_what_is_installed(tmp_path: Path) -> None:
    done = run("version", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("mockforge ") and "wasmtime 50" in done.stdout


def test_the_module_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mockforge_asgi"]
    done = subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"mockforge {mockforge_asgi.__version__}\n")
    done = subprocess.run([*command, "serv"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.startswith("Usage: mockforge ") and "Did you mean 'serve'?" in done.stderr


def test_help_lists_the_commands(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("serve", "check", "plugin", "schema", "version"))


@pytest.mark.parametrize(("arguments", "meant"), [(["chek"], "check"), (["plugin", "lsit"], "list")])
def test_a_misspelt_command_is_told_the_right_one(tmp_path: Path, arguments: list[str], meant: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and f"Did you mean '{meant}'?" in done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["serve"], ["plugin", "list"]])
def test_without_a_configuration_it_says_how_to_make_one(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no mockforge.yaml in this folder" in done.stderr and "version: 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_finds_mockforge_yaml_by_itself(place: Path) -> None:
    done = run("check", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "mockforge.yaml is fine. Routes: 1. Plugins: auth 1.0.0.\n", "")


def test_a_folder_means_the_configuration_in_it(place: Path) -> None:
    assert run("check", place.name, cwd=place.parent).stdout.startswith(f"{place.name}/mockforge.yaml is fine.")
    (place / "empty").mkdir()
    assert "there is no file 'empty/mockforge.yaml'" in run("check", "empty", cwd=place).stderr


def test_check_prints_every_fault_with_its_place(place: Path) -> None:
    (place / "mockforge.yaml").write_text(GOOD.replace("routes:", "rutes:").replace("value: k", "vlaue: k"))
    done = run("check", "mockforge.yaml", cwd=place)
    assert done.returncode == 1
    assert "mockforge.yaml:3 secrets.api_keys.vlaue: the key 'vlaue' is not known. Did you mean 'value'?" in done.stderr
    assert "mockforge.yaml:4 rutes: the key 'rutes' is not known. Did you mean 'routes'?" in done.stderr


def test_check_prints_what_is_not_granted(place: Path) -> None:
    (place / "mockforge.yaml").write_text(GOOD.replace(", secrets: [api_keys]}}}", "}}}"))
    done = run("check", cwd=place)
    assert done.returncode == 1
    assert "secrets: [api_keys]   # the keys to accept" in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ("[{match: {path: /a}, response: {text: a}}, {match: {path: /a}, response: {text: b}}]", "routes[1]: ANY /a can never answer"),
        ("[{match: {path: /a}, response: {template_text: '{{ x'}}]", "unexpected end of template"),
    ],
)
def test_check_refuses_what_could_not_be_served(tmp_path: Path, routes: str, words: str) -> None:
    (tmp_path / "mockforge.yaml").write_text(f"version: 1\nroutes: {routes}\n")
    done = run("check", cwd=tmp_path)
    assert done.returncode == 1 and words in done.stderr and not done.stdout


def test_check_reads_the_plugins_code(place: Path) -> None:
    (place / "hello_auth" / "plugin.py").write_text("def broken(:\n")
    done = run("check", cwd=place)
    assert done.returncode == 1
    assert "./hello_auth/plugin.py:1: invalid syntax: `def broken(:`." in done.stderr


def test_check_warns_of_grants_without_effect(place: Path) -> None:
    (place / "mockforge.yaml").write_text(GOOD.replace("secrets: [api_keys]}", "secrets: [api_keys], kv: true}"))
    done = run("check", cwd=place)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: mockforge.yaml:2 plugins.auth.grants.kv: ")


def test_check_warns_of_secrets_that_are_not_there(place: Path) -> None:
    (place / "mockforge.yaml").write_text(GOOD.replace("{value: k}", "{env: MF_MISSING}"))
    done = run("check", cwd=place)
    assert (done.returncode, done.stdout.startswith("mockforge.yaml is fine.")) == (0, True)
    assert done.stderr.startswith("warning: mockforge.yaml:3 secrets.api_keys: the environment variable MF_MISSING is not set. Set it: ")
    assert run("check", cwd=place, env={"MF_MISSING": "k"}).stderr == ""


def test_check_and_plugin_list_name_every_endpoint_and_who_may_call_it(place: Path) -> None:
    write_manifest = (place / "hello_auth" / "plugin.yaml").read_text()
    (place / "hello_auth" / "plugin.yaml").write_text(write_manifest + "endpoints: [/in, {path: /out, methods: [POST]}]\n")
    guarded = "protect: [{path: /**, auth: auth}]\n"
    closed = GOOD.replace("use: ./hello_auth,", "use: ./hello_auth, endpoints: protected, prefix: /me,")
    for text, rows in (
        (GOOD, ["ANY     /auth/in   endpoint of auth", "POST    /auth/out  endpoint of auth"]),
        (
            GOOD + guarded,
            ["ANY     /auth/in   endpoint of auth  public: before auth", "POST    /auth/out  endpoint of auth  public: before auth"],
        ),
        (closed + guarded, ["ANY     /me/in   endpoint of auth  needs auth", "POST    /me/out  endpoint of auth  needs auth"]),
    ):
        (place / "mockforge.yaml").write_text(text)
        for command in (["check"], ["plugin", "list"]):
            assert run(*command, cwd=place).stdout.splitlines()[-2:] == rows


def test_plugin_list_is_a_table(place: Path) -> None:
    (place / "mockforge.yaml").write_text(GOOD.replace("plugins: {", "plugins: {gone: {use: ./gone}, off: {use: ./off, enabled: false}, "))
    rows = run("plugin", "list", cwd=place).stdout.splitlines()
    assert rows[0].split() == ["NAME", "ID", "VERSION", "RUNTIME", "KINDS", "STATE", "DIGEST"]
    assert rows[1].split() == ["gone", "refused"] and rows[2].split() == ["off", "disabled"]
    assert rows[3].split()[:6] == ["auth", "hello-auth", "1.0.0", "python", "auth", "ok"]
    assert "./gone: is neither a folder nor a file. Check the path." in "\n".join(rows)


def test_plugin_validate_summarises_a_good_plugin(place: Path) -> None:
    done = run("plugin", "validate", "hello_auth", cwd=place)
    assert done.returncode == 0
    assert done.stdout.startswith("hello-auth 1.0.0 is fine.\n")
    assert "reads secrets: api_keys: the keys to accept" in done.stdout


def test_plugin_validate_prints_every_fault_with_its_place(tmp_path: Path) -> None:
    made = folder(tmp_path, {**FILES, "plugin.yaml": MANIFEST.replace("runtime: python", "runtime: pyhton").replace("[auth]", "[auht]")})
    done = run("plugin", "validate", str(made), cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{made}/plugin.yaml:5 kinds[0]: 'auht' is not one of" in done.stderr
    assert f"{made}/plugin.yaml:6 runtime: 'pyhton' is not one of" in done.stderr


@pytest.mark.parametrize("which", ["manifest", "config"])
def test_schema_prints_a_json_schema(tmp_path: Path, which: str) -> None:
    assert json.loads(run("schema", which, cwd=tmp_path).stdout)["type"] == "object"


EVERYTHING = """\
version: 1
plugins:
  auth: {use: ./hello_auth, grants: {request: {body: true}}}
  gone: {use: ./gone}
  wrong: {use: ./gone, prioritty: 1}
protect:
  - {path: a, auth: [auth]}
  - {path: /b, auth: [nobody]}
routes:
  - {match: {path: /a}, response: {stattus: 1}}
  - {match: {path: "/{x:nosuch}"}, response: {text: a}}
  - {match: {path: /b}, response: {plugin: nobody}}
  - {match: {path: /c}, response: {template_text: "{{ 1 +"}}
  - {match: {path: /d}, response: {text: a, headers: {te: a}}}
"""


@pytest.mark.parametrize("command", ["check", "serve"])
def test_faults_of_form_routes_templates_and_plugins_are_told_in_one_go(place: Path, command: str) -> None:
    (place / "mockforge.yaml").write_text(EVERYTHING)
    done = run(command, cwd=place)
    assert done.returncode == 1 and done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if "mockforge.yaml:" in line]
    told = [(int(line.split("mockforge.yaml:")[1].split()[0].rstrip(":")), line) for line in lines]
    assert sorted(line for line, _ in told) == [3, 4, 5, 7, 8, 10, 11, 12, 13, 14], done.stderr
    assert "`grants:`, in place of `request:` there\n        request: {body: true, headers: [x-api-key]}" in done.stderr
    assert "and under `secrets:`\n        api_keys: {env: API_KEYS}" in done.stderr


def test_where_more_than_entries_is_faulty_the_form_is_told_first(place: Path) -> None:
    (place / "mockforge.yaml").write_text(EVERYTHING + "secrets: 1\n")
    done = run("check", cwd=place)
    assert done.returncode == 1 and "secrets: must be a mapping" in done.stderr and "./gone: is no folder" not in done.stderr
