"""Whatever comes as a token or as JSON is refused or understood, and never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import Allow, Request
from plugins_builtin.auth_jwt.bearer import Refused
from plugins_builtin.auth_jwt.plugin import JwtAuth
from plugins_builtin.auth_jwt.signed import SignedToken
from plugins_builtin.auth_jwt.strict_json import NotStrict, read_object
from plugins_builtin.auth_jwt.tests.test_seen import CONFIG
from plugins_builtin.auth_jwt.tests.tokens import b64, public, rsa, sign
from tests.support.kit_world import World, inside

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
SEGMENTS = st.one_of(st.binary().map(b64), VALUES.map(lambda value: b64(json.dumps(value))), st.text(alphabet="ab._~+/-="), st.just(""))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        name: VALUES | st.sampled_from(["RS256", "none", "HS256", "main"])
        for name in ("alg", "kid", "typ", "crit", "b64", "jwk", "x5c", "jku")
    },
)


WORDS = {
    "not UTF-8",
    "nested too deeply",
    "half a character in it",
    "not JSON",
    "not a JSON object",
    "the same name twice in it",
    "a number too long in it",
}


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_json_is_read_as_python_reads_it_or_refused(data: bytes) -> None:
    try:
        value = read_object(data)
    except NotStrict as error:
        assert str(error) in WORDS
    else:
        assert value == json.loads(data)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


LONG = ['"' + '\\"' * 100_000, '"' * 200_000, "[" * 200_000, '{"a":' * 50_000, '{"a":"' + "\\" * 200_000, "9" * 200_000]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_nothing_takes_longer_than_its_length(text: str) -> None:
    with pytest.raises(NotStrict):
        read_object(text.encode())


@given(st.lists(SEGMENTS, max_size=6).map(".".join) | st.tuples(HEADERS.map(b64), SEGMENTS, SEGMENTS).map(".".join))
def test_any_text_is_a_signed_token_or_refused(text: str) -> None:
    try:
        token = SignedToken.read(text)
    except Refused:
        return
    with pytest.raises(Refused):
        token.claims(())


@given(
    st.one_of(
        st.text(),
        st.tuples(HEADERS.map(b64), SEGMENTS, SEGMENTS).map(".".join),
        st.tuples(HEADERS.map(b64), st.just(sign(rsa()).split(".", 1)[1])).map(".".join),
    ),
    st.sampled_from(["Bearer ", "bearer  ", "DPoP ", "Basic ", ""]),
)
def test_nobody_passes_with_any_text(text: str, scheme: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        with inside(World(patch)):
            plugin = JwtAuth()
            plugin.config = {**CONFIG, "keys": [{"jwk": public(rsa())}]}
            plugin.init()
            assert not isinstance(decided(plugin, scheme + text), Allow)


def decided(plugin: JwtAuth, header: str) -> Any:
    """Static keys are waited for by nobody, so the coroutine ends at once."""
    try:
        plugin.authenticate(Request(headers={"authorization": header})).send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")
