"""Value types: short forms of responses, bodies."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from mockforge_plugin import Allow, Body, Principal, Response
from mockforge_plugin.values import body_document, body_of


def test_short_forms_of_responses() -> None:
    assert Response.json({"a": "ü"}, 201, {"x": "1"}) == Response(
        201, (("content-type", "application/json"), ("x", "1")), b'{"a":"\xc3\xbc"}'
    )
    assert Response.text("a").headers[0][1] == "text/plain; charset=utf-8"
    assert Response.html("a").headers[0][1] == "text/html; charset=utf-8"
    assert (Response.redirect("/a").status, Response.redirect("/a").headers) == (302, (("location", "/a"),))
    assert Response.render("t", {"a": 1}).vars == {"a": 1}


def test_cookies_add_up_whatever_the_answer_is() -> None:
    made = Response.render("t", {"a": 1}, 201, {"x": "1"}).with_cookie("a", "b").with_cookie("a", "c", path="/x").without_cookie("d")
    assert (made.status, made.template, made.vars) == (201, "t", {"a": 1})
    assert made.headers == (
        ("x", "1"),
        ("set-cookie", "a=b; Path=/; HttpOnly; SameSite=Lax"),
        ("set-cookie", "a=c; Path=/x; HttpOnly; SameSite=Lax"),
        ("set-cookie", "d=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    )


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
