"""`mockforge.yaml` as a table of good and bad documents: what is wrong, where, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config import Config, load_config
from mockforge_asgi.config.objects import ProtectRule, RouteMatch, RouteResponse
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.exact_json import dumps

CANONICAL = """\
version: 1
plugins:
  hello-auth: {use: ./plugins/hello_auth, config: {header: X-API-Key}, grants: {request: {headers: [x-api-key]}, secrets: [api_keys]}}
  greet:      {use: ./greet.zip, digest: sha256-0000000000000000000000000000000000000000000000000000000000000000, grants: {}}
secrets: {api_keys: {env: HELLO_KEYS}}
protect:
  - {path: /hello/**, auth: [hello-auth], mode: first}
routes:
  - {match: {method: GET, path: "/hello/{name}"}, response: {plugin: greet}}
  - {match: {method: GET, path: /health}, response: {json: {status: ok}}}
"""


def write(folder: Path, text: str, name: str = "mockforge.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def faults(folder: Path, text: str) -> list[str]:
    """`LINE PATH: WHAT REMEDY` of every problem."""
    file = write(folder, text)
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    return [str(problem).removeprefix(f"{file}:") for problem in raised.value.problems]


def test_the_canonical_document_is_read(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, CANONICAL))
    auth = config.plugins["hello-auth"]
    assert auth.path == tmp_path / "plugins" / "hello_auth"
    assert auth.config == {"header": "X-API-Key"}
    assert auth.grants.rights["request.headers"].names == {"x-api-key"}
    assert auth.grants.rights["secrets"].names == {"api_keys"}
    assert (auth.alias, auth.prefix, auth.on_failure, auth.enabled) == ("hello_auth", "/hello-auth", "error", True)
    assert config.secrets["api_keys"].env == "HELLO_KEYS"
    assert config.protect == (ProtectRule("/hello/**", ("hello-auth",), "first"),)
    assert [r.match for r in config.routes] == [RouteMatch("/hello/{name}", ("GET",)), RouteMatch("/health", ("GET",))]
    assert [r.response for r in config.routes] == [RouteResponse("plugin", "greet"), RouteResponse("json", {"status": "ok"})]
    assert (config.base_dir, config.dev, config.state.url) == (tmp_path, False, "memory://")


def test_a_route_knows_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, CANONICAL)
    assert [route.place for route in load_config(file).routes] == [f"{file}:9 routes[0]", f"{file}:10 routes[1]"]


def test_a_mapping_and_a_json_file_say_the_same_as_yaml(tmp_path: Path) -> None:
    data = {"version": 1, "routes": [{"match": {"path": "/a"}, "response": {"text": "x"}}], "templates": {"dir": "t"}}
    written = load_config(write(tmp_path, json.dumps(data), "mockforge.json"))
    given_ = load_config(data, base_dir=tmp_path)
    assert written.routes[0].response == given_.routes[0].response == RouteResponse("text", "x")
    assert written.templates.dir == given_.templates.dir == tmp_path / "t"


def test_nothing_is_the_empty_configuration() -> None:
    config = load_config()
    assert isinstance(config, Config)
    assert not config.plugins and not config.routes


def test_a_configuration_is_taken_as_it_is() -> None:
    config = load_config({"version": 1})
    assert load_config(config) is config


def test_dev_can_be_asked_for_from_outside(tmp_path: Path) -> None:
    file = write(tmp_path, "version: 1\ndev: false\n")
    assert load_config(file, dev=True).dev
    assert not load_config(file).dev


def test_paths_are_meant_from_the_file(tmp_path: Path) -> None:
    text = """\
version: 1
plugins: {a: {use: ../a}}
secrets: {s: {file: s.txt}}
templates: {dir: ./t}
routes: [{match: {path: /f}, response: {file: body.json}}]
state: {url: "sqlite:///state.db"}
server: {ssl_keyfile: k.pem, ssl_certfile: c.pem}
"""
    config = load_config(write(tmp_path, text))
    assert config.plugins["a"].path == tmp_path.parent / "a"
    assert config.secrets["s"].file == tmp_path / "s.txt"
    assert config.templates.dir == tmp_path / "t"
    assert config.routes[0].response.value == str(tmp_path / "body.json")
    assert config.state.url == f"sqlite:///{tmp_path}/state.db" and config.state.is_shared
    assert (config.server.ssl_keyfile, config.server.ssl_certfile) == (tmp_path / "k.pem", tmp_path / "c.pem")


def test_short_forms_mean_the_full_ones(tmp_path: Path) -> None:
    text = """\
version: 1
plugins:
  p: {use: ./p, grants: {kv: true, files: a.csv, data: [s/q], network: [https://a.example, {allow: "http://10.0.0.5:81", private: true}]}}
sources: {s: {plugin: p, queries: {q: "select 1"}}}
protect: [{path: /x, auth: p, methods: get}]
routes: [{match: {method: [get, post], path: /, headers: {X-A: "1", x-b: true}, query: {q: {regex: "a+"}}}, response: {json: null}}]
"""
    config = load_config(write(tmp_path, text))
    rights = config.plugins["p"].grants.rights
    assert set(rights) == {"kv", "files", "data", "network"}
    assert [str(r) for r in rights["network"].network] == ["https://a.example", "http://10.0.0.5:81"]
    assert config.sources["s"].queries["q"].query == "select 1"
    assert config.protect[0] == ProtectRule("/x", ("p",), "first", frozenset({"GET"}))
    match = config.routes[0].match
    assert match.methods == ("GET", "POST")
    assert match.headers == {"x-a": {"equals": "1"}, "x-b": {"present": True}}
    assert match.query == {"q": {"regex": "a+"}}
    assert config.routes[0].response == RouteResponse("json", None)


def test_what_is_done_when_a_plugin_fails_is_a_word_or_an_answer(tmp_path: Path) -> None:
    text = """\
version: 1
plugins:
  a: {use: ./a}
  b: {use: ./b, on_failure: skip}
  c: {use: ./c, on_failure: {status: 503, headers: {retry-after: "1"}, json: null}}
  d: {use: ./d, on_failure: {file: sorry.html}}
"""
    plugins = load_config(write(tmp_path, text)).plugins
    assert [plugins[name].on_failure for name in "abcd"] == ["error", "skip", "error", "error"]
    assert [plugins[name].failure_answer for name in "abcd"] == [
        None,
        None,
        RouteResponse("json", None, 503, (("retry-after", "1"),)),
        RouteResponse("file", str(tmp_path / "sorry.html")),
    ]


BAD = {
    "an empty file": ("# nothing\n", [" is empty. Begin it with `version: 1`."]),
    "no mapping": ("- a\n", ["1: must be a mapping, not a list. Begin it with `version: 1`."]),
    "no version": ("dev: true\n", ["1: `version` is missing. Add `version: 1`."]),
    "another version": ("version: 2\n", ["1 version: 2 is not one of 1."]),
    "a version in quotes": ('version: "1"\n', ["1 version: must be the number 1, not text. Write it without quotes."]),
    "a key misspelt": ("version: 1\nplugin: {}\n", ["2 plugin: the key 'plugin' is not known. Did you mean 'plugins'?"]),
    "a nested key misspelt": (
        "version: 1\nserver:\n  hots: a\n  port: 99999\n",
        ["3 server.hots: the key 'hots' is not known. Did you mean 'host'?", "4 server.port: 99999 must be at most 65535."],
    ),
    "a wrong word": (
        "version: 1\nserver: {log_format: jsno}\n",
        ["2 server.log_format: 'jsno' is not one of text, json. Did you mean 'json'?"],
    ),
    "yes is text": ("version: 1\ndev: yes\n", ["2 dev: must be true or false, not 'yes'. Write true or false."]),
    "an empty value": ("version: 1\nroutes:\n", ["2 routes: is empty; it must be a list. Give it a value, or remove the key."]),
    "an upper-case name": (
        "version: 1\nplugins: {Greet_It: {use: ./x}}\n",
        ["2 plugins.Greet_It: 'Greet_It' is not an id. Ids are lower-case words joined by '-', such as hello-auth."],
    ),
    "a plugin of the store": (
        "version: 1\nplugins: {greet: {use: greet@^1.2}}\n",
        [
            (
                "2 plugins.greet.use: 'greet@^1.2' names a plugin of the store, which this version does not have. "
                "Give a folder or a .zip archive, such as ./plugins/greet."
            )
        ],
    ),
    "texts where mappings belong": (
        "version: 1\nplugins: {g: ./g}\nroutes: [{match: /a, response: hello}]\nserver: 8000\n",
        [
            "2 plugins.g: must be a mapping, not './g'. Write {use: ./plugins/my_plugin}.",
            "3 routes[0].match: must be a mapping, not '/a'. Write {path: \"/hello/{name}\"}.",
            (
                "3 routes[0].response: must be a mapping, not 'hello'. "
                "Its keys: json, text, html, base64, file, status, "
                "headers, plugin, data, params, one, total, resource, template, template_text, vars."
            ),
            (
                "4 server: must be a mapping, not 8000. "
                "Its keys: host, port, workers, ssl_keyfile, ssl_certfile, log_format, log_level, stop_timeout_s."
            ),
        ],
    ),
    "a word of failure that is none": (
        "version: 1\nplugins: {g: {use: ./g, on_failure: pass}}\n",
        [
            (
                "2 plugins.g.on_failure: 'pass' is not one of error, skip. "
                "Or give an answer, such as {status: 503, json: {error: unavailable}}."
            )
        ],
    ),
    "an answer for failures that says nothing": (
        "version: 1\nplugins: {g: {use: ./g, on_failure: {}}, h: {use: ./h, on_failure: {template: a.txt, json: 1}}}\n",
        [
            "2 plugins.g.on_failure: says nothing to answer. Give a status, or one of json, text, html, base64, file.",
            "2 plugins.h.on_failure.template: the key 'template' is not known. Known: base64, file, headers, html, json, status, text.",
        ],
    ),
    "a digest that is none": (
        "version: 1\nplugins: {greet: {use: ./g, digest: sha256-12}}\n",
        ["2 plugins.greet.digest: 'sha256-12' is not a digest. Digests are `sha256-` and 64 hexadecimal digits."],
    ),
    "an unknown grant": (
        "version: 1\nplugins: {g: {use: ./g, grants: {netwrok: []}}}\n",
        ["2 plugins.g.grants.netwrok: the key 'netwrok' is not known. Did you mean 'network'?"],
    ),
    "a grant in the manifest's form": (
        "version: 1\nplugins: {g: {use: ./g, grants: {request.headers: [a]}}}\n",
        ["2 plugins.g.grants: 'request.headers' is the form of plugin.yaml; grants are nested. Write `request: {headers: …}`."],
    ),
    "a network grant for everything": (
        "version: 1\nplugins: {g: {use: ./g, grants: {network: ['https://*']}}}\n",
        ["2 plugins.g.grants.network[0]: 'https://*': '*' would allow every host. Name the hosts."],
    ),
    "an inside address without the word private": (
        "version: 1\nplugins: {g: {use: ./g, grants: {network: ['http://localhost:90']}}}\n",
        [
            (
                "2 plugins.g.grants.network[0]: 'http://localhost:90' is an address inside, which needs `private: true`. "
                "Write {allow: 'http://localhost:90', private: true} if it is meant."
            )
        ],
    ),
    "names that nothing has": (
        (
            "version: 1\nplugins: {hello-auth: {use: ./h, grants: {secrets: [api_key]}}}\nsecrets: {api_keys: {env: K}}\n"
            "protect: [{path: /, auth: [hello-auht]}]\nroutes: [{match: {path: /}, response: {plugin: nobody}}]\n"
        ),
        [
            "2 plugins.hello-auth.grants.secrets[0]: there is no secret 'api_key'. Did you mean 'api_keys'?",
            "4 protect[0].auth[0]: there is no plugin 'hello-auht'. Did you mean 'hello-auth'?",
            "5 routes[0].response.plugin: there is no plugin 'nobody'. Known: hello-auth.",
        ],
    ),
    "names of data that nothing has": (
        (
            "version: 1\nplugins: {p: {use: ./p, grants: {data: [user/by_id, users/by_di]}}}\n"
            "sources: {users: {plugin: p, queries: {by_id: x}}}\n"
        ),
        [
            "2 plugins.p.grants.data[0]: there is no source 'user'. Did you mean 'users'?",
            "2 plugins.p.grants.data[1]: the source 'users' has no query 'by_di'. Did you mean 'by_id'?",
        ],
    ),
    "a word on preflights that the rule is not about": (
        "version: 1\nplugins: {p: {use: ./p}}\nprotect: [{path: /, auth: [p], methods: [GET, POST], preflight: app}]\n",
        ["3 protect[0]: `preflight` has no effect: the rule does not hold for OPTIONS. Add OPTIONS to `methods`, or leave it out."],
    ),
    "half a key pair": (
        "version: 1\nserver: {ssl_keyfile: k}\n",
        ["2 server: `ssl_certfile` is missing. TLS needs both the key and the certificate."],
    ),
    "a secret with two sources": (
        "version: 1\nsecrets: {a: {env: A, value: hunter2}}\n",
        ["2 secrets.a: a secret has exactly one source. Give one of env, file, value."],
    ),
    "two answers": (
        "version: 1\nroutes: [{match: {path: /}, response: {json: 1, text: a}}]\n",
        [
            (
                "2 routes[0].response: gives json and text at once. "
                "Give one of plugin, data, resource, json, text, html, base64, file, template, template_text."
            )
        ],
    ),
    "no answer": (
        "version: 1\nroutes: [{match: {path: /}, response: {}}]\n",
        [
            (
                "2 routes[0].response: says nothing to answer. "
                "Give a status, or one of plugin, data, resource, json, text, html, base64, file, template, template_text."
            )
        ],
    ),
    "a header that forges another": (
        'version: 1\nroutes: [{match: {path: /}, response: {text: a, headers: {x: "a\\r\\nset-cookie: b"}}}]\n',
        ["2 routes[0].response.headers.x[0]: a header value cannot hold line breaks or control characters. Remove them."],
    ),
    "a path without its slash": (
        "version: 1\nroutes: [{match: {path: hello}, response: {text: a}}]\n",
        ["2 routes[0].match.path: 'hello' does not start with '/'. Write '/hello'."],
    ),
    "a redis that is not there yet": (
        "version: 1\nstate: {url: 'redis://x'}\n",
        [
            (
                "2 state.url: 'redis://x' is not a state store. "
                "Write memory:// for one worker, or sqlite:///state.db for several on one machine."
            )
        ],
    ),
    "a password for it": (
        "version: 1\nstate: {url: 'redis://me:hunter2@x'}\n",
        [
            (
                "2 state.url: 'redis://…@x' is not a state store. "
                "Write memory:// for one worker, or sqlite:///state.db for several on one machine."
            )
        ],
    ),
    "a secret where its variable belongs": (
        "version: 1\nsecrets: {a: {env: hunter2 !}}\n",
        ["2 secrets.a.env: the text is not the name of an environment variable. Write one such as API_KEYS."],
    ),
    "a secret without its quotes": (
        "version: 1\nsecrets:\n  a:\n    value: !hunter2\n  b:\n    value: *hunter2\n",
        [
            "4: a tag (!…) is not accepted. Remove it, or put the text in quotes.",
            "6: an alias (*…) names no anchor (&…) that ends before it. Put it in quotes if it is text.",
        ],
    ),
    "a tab": (
        "version: 1\nserver:\n\tport: 1\n",
        ["3: is not YAML: found character that cannot start any token. Check the indentation and the quotes."],
    ),
    "a key twice": ("version: 1\ndev: true\ndev: false\n", ["3: the key 'dev' is given twice (first on line 2). Keep one of them."]),
    "a fault of what an anchor names": (
        "version: 1\nx-own: &s {ports: 1}\nserver: *s\n",
        ["3 server.ports: the key 'ports' is not known. Did you mean 'port'?"],
    ),
    "a fault of what a merge key brings": (
        "version: 1\nx-own: &s {port: no}\nserver:\n  host: a\n  <<: *s\n",
        ["5 server.port: must be an integer, not 'no'."],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_a_fault_has_its_place_and_its_remedy(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert faults(tmp_path, text) == expected


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        "version: 1\nplugins:\n  a: {use: ./a, isolation: resued, limits: {cpu_ms: 1.5}}\n  b: {use: greet@1}\nlimits: {max_body_kb: -1}\n"
    )
    assert [fault.split(":")[0] for fault in faults(tmp_path, text)] == [
        "3 plugins.a.isolation",
        "3 plugins.a.limits.cpu_ms",
        "4 plugins.b.use",
        "5 limits.max_body_kb",
    ]


def test_an_error_never_shows_a_secret(tmp_path: Path) -> None:
    text = (
        "version: 1\nsecrets:\n  a: hunter2\n  b: {value: [hunter2]}\n  c: {vale: hunter2}\n  d: {env: hunter2 hunter2, value: hunter2}\n"
    )
    assert "hunter2" not in "".join(f for f in faults(tmp_path, text) if "secrets.d.env" not in f)


def test_a_config_never_shows_a_secret(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "version: 1\nsecrets: {a: {value: hunter2}}\n"))
    assert "hunter2" not in repr(config)


def test_a_missing_file_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        load_config(tmp_path / "none.yaml")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_a_file_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is longer than 8192 KiB"):
        load_config(write(tmp_path, "version: 1\n#" + "x" * (8 << 20)))


def test_a_mapping_with_what_is_not_json_is_refused() -> None:
    data: dict[Any, Any] = {
        "version": 1,
        "plugins": {"a": {"use": "./a", "config": {"when": object(), "n": float("inf"), "b": 2**1001, 3: 1}}},
    }
    with pytest.raises(ConfigError) as raised:
        load_config(data)
    assert {p.place for p in raised.value.problems} == {
        "configuration plugins.a.config",
        "configuration plugins.a.config.when",
        "configuration plugins.a.config.n",
        "configuration plugins.a.config.b",
    }


EXACT = """\
version: 1
x-price: &price 0.00
plugins: {a: {use: ./a, config: {limit: 1.50, mode: 0x1F}}}
routes:
  - match: {path: /a, query: {page: 2, size: 1.5}, body: {id: 12345678901234567890123, price: 1.00}}
    response: {json: {id: 12345678901234567890123, price: *price, mask: 0x1F, rate: 1e3}}
  - match: {path: /b}
    response: {template_text: "{{ price }} {{ id }}", vars: {price: 0.00, id: 12345678901234567890123}}
"""


def test_numbers_keep_their_text_in_answers_and_are_plain_for_plugins(tmp_path: Path) -> None:
    file = tmp_path / "mockforge.yaml"
    file.write_text(EXACT)
    config = load_config(file)
    assert dumps(config.routes[0].response.value) == b'{"id":12345678901234567890123,"price":0.00,"mask":31,"rate":1e3}'
    assert config.routes[0].match.query == {"page": {"equals": "2"}, "size": {"equals": "1.5"}}
    limit, mode = config.plugins["a"].config.values()
    assert (limit, mode, type(limit), type(mode)) == (1.5, 31, float, int)


@pytest.mark.parametrize("text", ["01234", "1e3", "0x1F", "0.00", "1.50", "+5", ".5", "0o17", "1_0", "0b11"])
@pytest.mark.parametrize("place", ["headers: {x-a: %s}", "query: {a: %s}", "query: {a: {equals: %s}}", "headers: {x-a: {contains: %s}}"])
def test_a_number_that_is_compared_with_text_is_refused_unless_it_is_one_either_way(text: str, place: str, tmp_path: Path) -> None:
    route = "version: 1\nroutes:\n- match: {path: /a, %s}\n  response: {text: a}\n" % (place % text)
    if text in ("1_0", "0b11"):  # text, as YAML 1.2 has it
        assert text in str(load_config(_file(tmp_path, route)).routes[0].match)
        return
    with pytest.raises(ConfigError) as raised:
        load_config(_file(tmp_path, route))
    assert "quotes" in str(raised.value) and "mockforge.yaml:3" in str(raised.value)
    assert load_config(_file(tmp_path, route.replace(text, f"'{text}'"))).routes


def _file(folder: Path, text: str) -> Path:
    file = folder / "mockforge.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_a_plugins_configuration_has_numbers_of_64_bits(number: int) -> None:
    with pytest.raises(ConfigError, match=r"plugins.a.config.*more than 64 bits"):
        load_config({"version": 1, "plugins": {"a": {"use": "./a", "config": {"b": [number]}}}})


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_KEYS = st.sampled_from(
    [
        "version",
        "plugins",
        "secrets",
        "protect",
        "routes",
        "match",
        "response",
        "path",
        "json",
        "use",
        "grants",
        "request",
        "network",
        "auth",
        "templates",
        "sources",
        "state",
        "url",
        "limits",
        "server",
        "data",
        "queries",
        "kv",
        "files",
        "headers",
        "a",
        "env",
        "value",
    ]
)
_DOCUMENTS = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=5), inner, max_size=6)
)


@pytest.mark.parametrize("document", [{"openapi": "3.1.0", "info": {}, "paths": {}}, {"swagger": "2.0", "paths": {}}])
def test_an_openapi_document_is_told_as_what_it_is(tmp_path: Path, document: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(write(tmp_path, json.dumps(document), "api.json"))
    assert "it is an OpenAPI document" in str(raised.value) and "`routes:`" in str(raised.value)
    assert not raised.value.problems


@given(st.dictionaries(_KEYS, _DOCUMENTS, max_size=8))
def test_whatever_a_mapping_holds_only_a_config_error_comes_of_it(data: dict[str, Any]) -> None:
    try:
        load_config({"version": 1, **data})
    except ConfigError as error:
        assert error.problems
