"""Value types: short forms of responses, cookies, bodies."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from mockforge_plugin import Allow, Body, Principal, Response, cookie
from mockforge_plugin.values import body_document, body_of


def test_short_forms_of_responses() -> None:
    assert Response.json({"a": "ü"}, 201, {"x": "1"}) == Response(
        201, (("content-type", "application/json"), ("x", "1")), b'{"a":"\xc3\xbc"}'
    )
    assert Response.text("a").headers[0][1] == "text/plain; charset=utf-8"
    assert Response.html("a").headers[0][1] == "text/html; charset=utf-8"
    assert (Response.redirect("/a").status, Response.redirect("/a").headers) == (302, (("location", "/a"),))
    assert Response.render("t", {"a": 1}).vars == {"a": 1}


@pytest.mark.parametrize("arguments", [("", "v"), ("a b", "v"), ("a", "v;x"), ("a", "v\r\n"), ("a=b", "v"), ("ü", "v"), ("a", "ü")])
def test_a_cookie_that_could_inject_is_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="cookie"):
        cookie(*arguments)


@pytest.mark.parametrize("text", ["/x; Domain=example.com", "/x\r\n", "/ü"])
def test_a_cookie_has_no_attributes_but_those_it_was_given(text: str) -> None:
    with pytest.raises(ValueError, match="cookie 'a'"):
        cookie("a", "b", path=text)
    with pytest.raises(ValueError, match="cookie 'a'"):
        cookie("a", "b", same_site=text)


def test_a_cookie_has_safe_defaults() -> None:
    assert cookie("a", "b", max_age_s=5, secure=True) == ("set-cookie", "a=b; Path=/; Max-Age=5; HttpOnly; Secure; SameSite=Lax")


@pytest.mark.parametrize("body", [Body(b"a"), Body(b"\xff"), Body(None, 7), Body(b"")])
def test_bodies_and_their_documents(body: Body) -> None:
    assert body_of(body_document(body)) == body
    assert body.size == (7 if body.data is None else len(body.data))


def test_a_principal_comes_from_its_document() -> None:
    assert Principal.from_document({"id": "a", "roles": ["r"], "name": "A"}) == Principal("a", ("r",), name="A")


@pytest.mark.parametrize("value", [Principal("ada"), Allow(Principal("ada")), Response()])
def test_values_are_frozen_compared_copied_and_replaced(value: Any) -> None:
    name = fields(value)[-1].name
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)
    changed = replace(value, **{name: {"a": 1}})
    assert changed != value and replace(changed, **{name: getattr(value, name)}) == value
    assert copy.deepcopy(changed) == changed == pickle.loads(pickle.dumps(changed))


def test_each_value_has_mappings_of_its_own() -> None:
    ones = [(Principal("a").attributes, Allow(Principal("a")).claims, Response().vars) for _ in range(2)]
    assert all(one is not other for one, other in zip(*ones, strict=True))
