"""`plugin.yaml` as a table of good and bad documents."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.objects import LimitOverrides
from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.manifest import Dependency, Endpoint, Entry, Limits, manifest_of, read_manifest
from tests.support.plugin_packages import MANIFEST

DATA: dict[str, Any] = yaml.safe_load(MANIFEST)


def faults(text: str) -> list[str]:
    with pytest.raises(PluginRejected) as raised:
        read_manifest(text)
    return [str(problem).removeprefix("plugin.yaml:") for problem in raised.value.problems]


def changed(**changes: Any) -> list[str]:
    """The faults of the canonical manifest with other values; None leaves a key out."""
    data = {k: v for k, v in {**DATA, **changes}.items() if v is not None}
    with pytest.raises(PluginRejected) as raised:
        manifest_of(data)
    return [str(problem).removeprefix("plugin.yaml ") for problem in raised.value.problems]


def test_the_canonical_manifest_is_read() -> None:
    manifest = read_manifest(MANIFEST)
    assert (manifest.id, manifest.version, manifest.contract) == ("hello-auth", "1.0.0", "0.1")
    assert manifest.kinds == {"auth"}
    assert (manifest.runtime, manifest.entry) == ("python", Entry("plugin.py"))
    assert manifest.limits == Limits(64, 20, 200, 64)
    assert manifest.permissions.asked["request.headers"].right.names == {"x-api-key"}
    assert manifest.permissions.asked["secrets"].reason == "the keys to accept"
    assert manifest.config_schema == DATA["config"]


def test_limits_have_defaults_by_runtime_and_yield_to_the_operator() -> None:
    limits = manifest_of({**DATA, "limits": {"cpu_ms": 7}}).limits
    assert limits == Limits(64, 7, 1000, 256)
    assert limits.overridden(LimitOverrides(timeout_ms=9)) == Limits(64, 7, 9, 256)
    assert manifest_of({**DATA, "runtime": "extism", "entry": "p.wasm", "limits": {}}).limits.memory_mb == 16


def test_short_forms_mean_the_full_ones() -> None:
    manifest = manifest_of(
        {
            **DATA,
            "kinds": "response",
            "endpoints": ["/callback", {"path": "/acs/x", "methods": "post"}],
            "dependencies": ["a-b", {"id": "c", "version": "^1.2", "optional": True}],
        }
    )
    assert manifest.kinds == {"response"}
    assert manifest.endpoints == (Endpoint("callback", "/callback"), Endpoint("acs/x", "/acs/x", frozenset({"POST"})))
    assert manifest.dependencies == (Dependency("a-b"), Dependency("c", "^1.2", True))


def test_the_exports_of_a_foreign_plugin_are_mapped() -> None:
    entry = {"file": "p.wasm", "response": "count_vowels", "template": {"vowels": "count_vowels"}}
    manifest = manifest_of({**DATA, "runtime": "extism", "entry": entry})
    assert manifest.entry == Entry("p.wasm", "count_vowels", {"vowels": "count_vowels"})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": None}, "`id` is missing. Add `id: my-plugin`."),
        ({"id": "Hello_Auth"}, "id: 'Hello_Auth' is not an id. Ids are lower-case words joined by '-', such as hello-auth."),
        ({"version": 1.0}, 'version: must be text, not 1.0. Put it in quotes: "1.0".'),
        ({"version": "1"}, "version: '1' is not a version. Write three numbers, such as \"1.0.0\"."),
        ({"contract": "9.9"}, "contract: '9.9' is not a contract that this version speaks. It speaks \"0.1\"."),
        ({"contract": 0.1}, 'contract: must be text, not 0.1. Put it in quotes: "0.1".'),
        ({"kinds": []}, "kinds: is empty."),
        ({"kinds": ["auht"]}, "kinds[0]: 'auht' is not one of auth, template, response, modifier, data_source, endpoint."),
        ({"kinds": ["auth", "auth"]}, "kinds[1]: 'auth' is given twice. Keep one of them."),
        ({"runtime": "pyhton"}, "runtime: 'pyhton' is not one of native, python, component, extism. Did you mean 'python'?"),
        ({"entry": "plugin.wasm"}, "entry: 'plugin.wasm' is not what the runtime 'python' runs. Its code is a .py file."),
        (
            {"entry": "../x.py"},
            "entry.file: '../x.py' is not a path inside the plugin's folder. Write it relative to plugin.yaml, without '..'.",
        ),
        (
            {"entry": {"file": "p.py", "response": "f"}},
            "entry.response: exports are mapped for the runtime 'extism' only, not for 'python'. Remove it.",
        ),
        ({"memory": 3}, "memory: the key 'memory' is not known. Known: "),
        ({"limits": {"memory_mb": 4000}}, "limits: memory_mb is more than the 512 that a manifest may ask for."),
        ({"limits": {"cpu": 4}}, "limits.cpu: the key 'cpu' is not known. Did you mean 'cpu_ms'?"),
        ({"permissions": []}, "permissions: is a list; permissions are a mapping by name."),
        (
            {"permissions": {"request.header": {"names": ["a"]}}},
            "permissions['request.header']: the key 'request.header' is not known. Did you mean 'request.headers'?",
        ),
        ({"permissions": {"secrets": {"names": []}}}, "permissions.secrets.names: is empty."),
        ({"permissions": {"secrets": {}}}, "permissions.secrets: `names` is missing. Add `names: [api_keys]`, or `config`"),
        ({"permissions": {"secrets": {"config": ["a b"]}}}, "permissions.secrets.config[0]: 'a b' is not a key of the configuration."),
        ({"permissions": {"secrets": {"config": ["bind*"]}}}, "permissions.secrets.config[0]: 'bind*' is not a key of the configuration."),
        (
            {"permissions": {"secrets": {"config": ["heder"]}}},
            "permissions.secrets.config: 'heder' is not in the schema of its configuration. Did you mean 'header'?",
        ),
        ({"requires": {"modules": ["json"]}}, "requires: modules are installed for the runtime 'native' only, not for 'python'."),
        ({"runtime": "native", "requires": {"modules": ["a.b"]}}, "requires.modules[0]: 'a.b' is not a module at the top."),
        (
            {"permissions": {"network": {"allow": ["ftp://x"]}}},
            "permissions.network.allow[0]: 'ftp://x': the scheme 'ftp' is not http or https.",
        ),
        ({"permissions": {"files": {"read": ["../x"]}}}, "permissions.files.read[0]: '../x' is not a path inside the plugin's folder."),
        ({"config": {"type": "strnig"}}, "config.type: must be object, not 'strnig'. A configuration is a mapping."),
        ({"endpoints": ["callback"]}, "endpoints[0].path: 'callback' is not a path of an endpoint. Write one such as /callback."),
        ({"endpoints": ["/a", "/a"]}, "endpoints[1]: '/a' is given twice. Keep one of them."),
        ({"version": "1.0.0-01"}, "version: '1.0.0-01' is not a version."),
        (
            {"dependencies": [{"id": "a", "version": "latest"}]},
            "dependencies[0].version: 'latest' is not a range of versions. Write one such as ^1.2,",
        ),
        ({"dependencies": ["a", {"id": "a", "version": "^1"}]}, "dependencies[1]: 'a' is given twice. Keep one of them."),
        ({"dependencies": ["hello-auth"]}, "dependencies[0]: the plugin depends on itself. Remove it."),
        ({"permissions": {"secrets": ["api_keys"]}}, "permissions.secrets: must be a mapping, not a list. Write {names: [api_keys]}."),
        ({"isolation": "fresh"}, "isolation: 'fresh' is not one of reused, per_request."),
    ],
)
def test_a_fault_has_its_place_and_its_remedy(changes: dict[str, Any], fault: str) -> None:
    found = changed(**changes)
    assert len(found) == 1 and found[0].removeprefix("plugin.yaml: ").startswith(fault)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (3, "entry: must be a mapping, not 3."),
        ({}, "entry: `file` is missing."),
        ({"file": 1}, "entry.file: must be text, not 1."),
        ({"file": "a.wasm", "respons": "x"}, "entry.respons: the key 'respons' is not known. Did you mean 'response'?"),
        ({"file": "a.wasm", "response": 1}, "entry.response: must be text, not 1."),
        ({"file": "a.wasm", "template": {"a": 1}}, "entry.template.a: must be text, not 1."),
        ({"file": "a.wasm", "template": "f"}, "entry.template: must be a mapping, not 'f'."),
    ],
)
def test_a_wrong_mapping_of_exports_is_refused(entry: object, fault: str) -> None:
    (found,) = changed(runtime="extism", entry=entry, limits={})
    assert found.startswith(fault)


MANY = [f"n{n}" for n in range(33_000)]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"endpoints": [f"/{n}" for n in MANY]}, "endpoints: has 33,000 entries; the most is 500."),
        ({"endpoints": [{"path": "/a", "methods": MANY}]}, "endpoints[0].methods: has 33,000 entries; the most is 500."),
        ({"kinds": MANY}, "kinds: has 33,000 entries; the most is 500."),
        ({"dependencies": MANY}, "dependencies: has 33,000 entries; the most is 500."),
        ({"authors": MANY}, "authors: has 33,000 entries; the most is 500."),
        ({"entry": {"file": "a.wasm", "template": dict.fromkeys(MANY, "x")}}, "entry.template: has 33,000 entries; the most is 500."),
        ({"permissions": dict.fromkeys(MANY, True)}, "permissions: has 33,000 entries; the most is 500."),
        ({"permissions": {"secrets": {"names": MANY}}}, "permissions.secrets.names: has 33,000 entries; the most is 500."),
        ({"permissions": {"files": {"read": MANY[:101]}}}, "permissions.files.read: "),
        ({"endpoints": [{"path": f"/{n}", "methods": ["GET"] * 30} for n in MANY[:400]]}, "has more than 10,000 values in all."),
        (dict.fromkeys(MANY, 1), "has 33,0"),
    ],
)
def test_every_list_and_mapping_has_a_most(changes: dict[str, Any], fault: str) -> None:
    found = changed(**changes)
    assert len(found) == 1 and found[0].removeprefix("plugin.yaml: ").removeprefix("plugin.yaml ").startswith(fault)


def test_all_faults_are_reported_at_once_with_their_lines() -> None:
    text = MANIFEST.replace("kinds: [auth]", "kinds: [auht]").replace("runtime: python", "runtme: python").replace('"0.1"', '"7"')
    assert [fault.split(":")[0] for fault in faults(text)] == ["1", "4 contract", "5 kinds[0]", "6 runtme"]


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "a: &x 1\nb: *x\n", "x" * 300_000])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    assert faults(text)


def test_a_manifest_is_read_the_same_from_json_like_text() -> None:
    import json

    assert read_manifest(json.dumps(DATA)) == manifest_of(DATA)


_KEYS = st.sampled_from(
    [
        *DATA,
        "endpoints",
        "dependencies",
        "isolation",
        "request.headers",
        "secrets",
        "kv",
        "network",
        "allow",
        "names",
        "type",
        "properties",
        "file",
        "path",
        "reason",
        "a",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
)


@given(st.dictionaries(_KEYS, _JSON, max_size=8))
def test_whatever_a_manifest_holds_only_a_rejection_comes_of_it(changes: dict[str, Any]) -> None:
    try:
        manifest_of({**DATA, **changes})
    except PluginRejected as error:
        assert error.problems


@given(st.binary(max_size=300))
def test_whatever_the_file_holds_only_a_rejection_comes_of_it(data: bytes) -> None:
    with pytest.raises(PluginRejected):
        read_manifest(data)
