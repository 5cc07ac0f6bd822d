"""What a route may not say, told with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError

BAD = {
    "what the server sets": (
        "version: 1\nroutes: [{match: {path: /}, response: {text: a, headers: {Keep-Alive: a, connection: close}}}]\n",
        [
            "2 routes[0].response.headers.Keep-Alive: `keep-alive` belongs to the connection, and the server sets it. Remove it.",
            "2 routes[0].response.headers.connection: `connection` belongs to the connection, and the server sets it. Remove it.",
        ],
    ),
    "the length of a body that is there": (
        "version: 1\nroutes: [{match: {path: /, method: [GET, HEAD]}, response: {text: a, headers: {Content-Length: 5}}}]\n",
        ["2 routes[0]: `content-length` follows from the body, except in answers to HEAD. Remove it, or match `method: HEAD` alone."],
    ),
    "a length that is none": (
        "version: 1\nroutes: [{match: {path: /, method: HEAD}, response: {status: 200, headers: {content-length: ['5', '6']}}}]\n",
        ["2 routes[0]: `content-length` is one integer, in an answer that may have a body. Write it as digits."],
    ),
    "a length for an answer to a failure": (
        "version: 1\nplugins: {g: {use: ./g, on_failure: {status: 503, headers: {content-length: 5}}}}\n",
        ["2 plugins.g.on_failure: `content-length` follows from the body. Remove it."],
    ),
    "a body where none may be": (
        "version: 1\nroutes: [{match: {path: /}, response: {status: 204, json: {a: 1}}}]\n",
        ["2 routes[0].response: an answer of status 204 has no body. Remove `json`, or choose another status."],
    ),
    "a number that is not written so everywhere in a header": (
        "version: 1\nroutes: [{match: {path: /}, response: {status: 200, headers: {a: 1e3, b: true}}}]\n",
        [
            "2 routes[0].response.headers.a[0]: it is a number that is not written so everywhere, and a header is text. Put it in quotes.",
            '2 routes[0].response.headers.b[0]: must be text, not true. Put it in quotes: "true".',
        ],
    ),
    "any method": (
        """version: 1
protect: [{path: /a, auth: g, methods: [ALL]}]
plugins: {g: {use: ./g}}
routes:
- {match: {path: /, method: ANY}, response: {text: a}}
- {match: {path: /, method: '*'}, response: {text: a}}
""",
        [
            "2 protect[0].methods[0]: 'ALL' is not a method. Leave it out: then every method is meant.",
            "5 routes[0].match.method[0]: 'ANY' is not a method. Leave it out: then every method is meant.",
            "6 routes[1].match.method[0]: '*' is not a method. Leave it out: then every method is meant.",
        ],
    ),
    "parameters of other frameworks": (
        """version: 1
plugins: {g: {use: ./g, modifies: {paths: '/u/[id]'}}}
protect: [{path: '/users/:id/**', auth: g}]
routes:
- {match: {path: '/u/:id/:n.json'}, response: {text: a}}
- {match: {path: '/a/<int:id>/<name>'}, response: {text: a}}
- {match: {path: '/a/<string:id>'}, response: {text: a}}
- {match: {path: '/o/:id(\\d+)'}, response: {text: a}}
""",
        [
            "2 plugins.g.modifies.paths[0]: '/u/[id]' writes a parameter as other frameworks do. Write '/u/{id}'.",
            "3 protect[0].path: '/users/:id/**' writes a parameter as other frameworks do. Write '/users/{id}/**'.",
            "5 routes[0].match.path: '/u/:id/:n.json' writes a parameter as other frameworks do. Write '/u/{id}/{n}.json'.",
            "6 routes[1].match.path: '/a/<int:id>/<name>' writes a parameter as other frameworks do. Write '/a/{id:int}/{name}'.",
            "7 routes[2].match.path: '/a/<string:id>' writes a parameter as other frameworks do. Write '/a/{id}'.",
            "8 routes[3].match.path: '/o/:id(\\d+)' writes a parameter as other frameworks do. Write '/o/{id}'.",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_what_a_route_cannot_mean_is_told_with_what_is_meant(tmp_path: Path, text: str, expected: list[str]) -> None:
    file = tmp_path / "mockforge.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert [str(problem).replace(f"{file}:", "") for problem in raised.value.problems] == expected
