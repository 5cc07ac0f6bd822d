"""What secrets may hold, and what is said of what they may not."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from mockforge_plugin import HostError
from plugins_builtin.auth_api_key.keys import Key, read_keys

PLANTED = "planted-key-0123456789"


def read(text: str | list[Any], **config: Any) -> dict[bytes, Key] | list[tuple[str, str]]:
    return read_keys({"keys": "k", **config}, lambda _: text if isinstance(text, str) else json.dumps(text))


def owners(text: str | list[Any], **config: Any) -> dict[str, str]:
    """Owner by the beginning of the digest."""
    keys = read(text, **config)
    assert isinstance(keys, dict), keys
    return {digest.hex()[:8]: key.allow.principal.id for digest, key in keys.items()}


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    "text",
    [
        "one=ada,two=bob",
        "one=ada\ntwo=bob\n",
        "# keys, of two\r\n one = ada \r\n\r\n,two=bob,",
        '[{"id": "ada", "key": "one"}, {"id": "bob", "key": "two"}]',
        '{"keys": [{"id": "ada", "key": "one"}, {"id": "bob", "key": "two"}]}',
        "- {id: ada, key: one}\n- id: bob\n  key: two",
        "keys:\n  - {id: ada, key: one}\n  - {id: bob, key: two, expires: 2099-01-01, not_before: 2020-01-01 00:00:00}",
        f"sha256:{sha256(b'one').hexdigest()}=ada\nsha256:{sha256(b'two').hexdigest().upper()}=bob",
    ],
)
def test_each_way_to_write_them_gives_the_same_keys(text: str) -> None:
    if " one = ada " in text:
        text = text.replace(" one = ada ", " one=ada ")
    assert owners(text) == {digest("one"): "ada", digest("two"): "bob"}


def test_several_secrets_are_read_and_roles_of_the_configuration_are_added() -> None:
    secrets = {"a": "one=ada", "b": '[{"id": "ada", "key": "two", "roles": ["x", "y"]}]'}
    keys = read_keys({"keys": ["a", "b"], "roles": {"ada": ["y", "z"]}}, secrets.__getitem__)
    assert isinstance(keys, dict)
    assert sorted(key.allow.principal.roles for key in keys.values()) == [("x", "y", "z"), ("y", "z")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PLANTED, "there is no name of an owner"),
        (f"{PLANTED}=", "there is no name of an owner"),
        ("=ada", "the key is empty"),
        (f"{PLANTED}=ada,{PLANTED}=bob", "the same key is there twice"),
        ("   \n# nothing", "there is no key in it"),
        ("[]", "there is no key in it"),
        (f'[{{"id": "ada", "key": "{PLANTED}"', "begins like JSON and is not"),
        (f"- {{id: ada, key: {PLANTED}", "not YAML that can be read"),
        (f"keys: {PLANTED}", "must be a list of entries"),
        ([PLANTED], "must be an object"),
        ([{"id": "ada"}], "just one of `key` and `hash`"),
        ([{"id": "ada", "key": PLANTED, "hash": "sha256:" + "0" * 64}], "just one of `key` and `hash`"),
        ([{"id": "ada", "kye": PLANTED}], "kye: unknown"),
        ([{"id": 7, "key": PLANTED}], "`id` must be a string"),
        ([{"id": "ada", "key": PLANTED, "roles": "admin"}], "`roles` must be a list of strings"),
        ([{"id": "ada", "key": PLANTED, "expires": "tomorrow"}], "`expires` must be a date"),
        ([{"id": "ada", "key": PLANTED, "expires": 1e99}], "`expires` must be a date"),
        ([{"id": "ada", "key": PLANTED, "expires": "2027-01-01", "not_before": "2027-01-01"}], "never be valid"),
        ([{"id": "ada", "key": f" {PLANTED}"}], "white space around it"),
        ([{"id": "ada", "key": f"{PLANTED}\n"}], "white space around it"),
        ([{"id": "ada", "key": f"{PLANTED}\0x"}], "control character"),
        ([{"id": "ada", "hash": "sha256:" + "g" * 64}], "64 hexadecimal digits"),
        ([{"id": "ada", "hash": "md5:" + "0" * 32}], "64 hexadecimal digits"),
        ("sha256:abc=ada", "64 hexadecimal digits"),
        ([{"id": "ada", "hash": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA"}], "every request would pay"),
        ([{"id": "ada", "key": "$2y$10$" + "a" * 53}], "every request would pay"),
        ("$argon2id$v=19$m=65536=ada", "every request would pay"),
    ],
)
def test_what_is_wrong_is_said_without_the_key(text: str | list[Any], words: str) -> None:
    problems = read(text)
    assert isinstance(problems, list)
    told = "; ".join(message for _, message in problems)
    assert words in told and PLANTED not in told and "argon2id$" not in told


def test_roles_for_nobody_and_secrets_that_there_are_not_are_told() -> None:
    assert read(f"{PLANTED}=ada", roles={"adda": ["x"]}) == [("roles.adda", "there is no key of that name.")]

    def missing(name: str) -> str:
        raise HostError("secret 'k' is not granted", code="denied")

    assert read_keys({"keys": "k"}, missing) == [("keys", "secret 'k': secret 'k' is not granted")]


def test_a_short_key_is_told_apart() -> None:
    keys = read("short=ada,long-enough-not-to-be-guessed=bob")
    assert isinstance(keys, dict)
    assert {key.allow.principal.id: key.is_weak for key in keys.values()} == {"ada": True, "bob": False}
