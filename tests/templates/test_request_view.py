"""What templates see of the request."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import RequestRejected, TemplateFailed
from mockforge_asgi.http.exchange import Exchange
from mockforge_plugin.values import Principal
from tests.support.template_rendering import exchange, render


def sample() -> Exchange:
    """A request with something in every part."""
    made = exchange(
        "/hello/Ada?page=2&tag=a&tag=b&all=x",
        method="POST",
        headers={"x-trace": "t1", "host": "api.test"},
        body=b'{"user": {"id": 7, "tags": ["x"]}}',
        route="/hello/{name}",
        params={"name": "Ada", "id": 5},
    )
    made.allowed(Principal("u1", roles=("reader",), name="Ada"), {"aud": "x"})
    return made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ request.method }} {{ request.path }} {{ request.route }}", "POST /hello/Ada /hello/{name}"),
        ("{{ request.path_params.name }} {{ request.path_params.id + 1 }}", "Ada 6"),
        ("{{ request.query.page }} {{ request.query['tag'] }} {{ request.query_string }}", "2 a page=2&tag=a&tag=b&all=x"),
        ("{{ request.query.get('none', 'd') }} {{ request.query.get('tag') }} {{ request.query.names() }}", 'd a ["page","tag","all"]'),
        ("{{ request.query.all }}", "x"),
        ("{{ request.headers['X-Trace'] }} {{ request.headers.x_trace }} {{ request.headers.all('x-trace') }}", 't1 t1 ["t1"]'),
        ("{{ request.query.none | default('-') }} {{ request.headers.none is defined }}", "- false"),
        ("{{ request.headers['€'] is defined }} {{ request.headers.all('€') }} {{ request.headers.get(5, 'd') }}", "false [] d"),
        ("{{ request.query.get(5) is none }} {{ request.headers.all('X_TRACE') }}", 'true ["t1"]'),
        ("{{ request.host }} {{ request.scheme }} {{ request.client }} {{ request.raw_path }}", "api.test http 127.0.0.1 /hello/Ada"),
        ("{{ request.json.user.id + 1 }} {{ request.json.user.tags[0] }}", "8 x"),
        ("{{ request['json']['user'] }}", '{"id":7,"tags":["x"]}'),
        ("{{ request.text }}", '{"user": {"id": 7, "tags": ["x"]}}'),
        ("{{ request.body | length }}", "34"),
        ("{{ request.principal.id }} {{ request.principal.roles }} {{ request.claims.aud }}", 'u1 ["reader"] x'),
        ("{% set r = request %}{% macro m(q) %}{{ q.json.user.id }}{% endmacro %}{{ m(r) }}", "7"),
    ],
)
async def test_a_template_sees(text: str, made: str) -> None:
    assert await render(text, on=sample()) == made


async def test_more_headers_than_are_read_are_refused_where_one_is_asked_for() -> None:
    for text in ("{{ request.headers.x_0 }}", "{{ request.headers.all('x-0') }}", "{{ request.headers.names() }}"):
        with pytest.raises(RequestRejected, match="1,001 header fields"):
            await render(text, on=exchange("/", headers={f"x-{n}": "1" for n in range(1001)}))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": 1', "the request's body is not JSON: .*line 1 column"),
        (b"[1,\n2,]", "the request's body is not JSON: .*line 2 column"),
        (b"a=1&b=2", "the request's body is not JSON"),
        (b"", "the request has no body"),
    ],
)
async def test_a_body_that_is_not_json_is_told_where_it_is_used(body: bytes, why: str) -> None:
    for text in ("{{ request.json }}", "{{ request.json.user.id }}", "{{ request['json'] | json }}"):
        with pytest.raises(TemplateFailed, match=why):
            await render(text, on=exchange(method="POST", body=body))
    defined = "{{ request.json is defined }} {{ request.json.user.id | default('none') }} {{ request.text | length }}"
    assert await render(defined, on=exchange(method="POST", body=body)) == f"false none {len(body)}"


async def test_null_is_json() -> None:
    assert await render("{{ request.json is none }}", on=exchange(method="POST", body=b"null")) == "true"


async def test_what_a_request_sends_is_never_read_as_a_template() -> None:
    request = exchange("/x?q={{ 7*7 }}", method="POST", body=b"{{ 7*7 }}")
    assert await render("{{ request.query.q }} {{ request.text }} {{ v }}", on=request, v="{{ 7*7 }}") == "{{ 7*7 }} {{ 7*7 }} {{ 7*7 }}"


async def test_an_anonymous_caller_has_no_principal() -> None:
    assert await render("{{ request.principal is none }}") == "true"
    with pytest.raises(TemplateFailed, match="id"):
        await render("{{ request.principal.id }}")
