"""`Set-Cookie` headers: what browsers would misread or refuse is refused here."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_plugin import cookie


@pytest.mark.parametrize(("arguments", "words"), [
    (("", "v"), "no name"), (("a b", "v"), "no name"), (("a=b", "v"), "no name"), (("ü", "v"), "no name"), (("a\n", "v"), "no name"),
    (("a", "v;x"), "encoded first"), (("a", "v\r\n"), "encoded first"), (("a", "ü"), "encoded first"), (("a", 'v"'), "encoded first"),
    (("a", "v\n"), "encoded first"), (("a", "x" * 4096), "more than 4096 bytes"),
])  # fmt: skip
def test_a_cookie_that_could_inject_or_that_nobody_keeps_is_refused(arguments: tuple[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cookie(*arguments)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a", {"path": "/x; Domain=example.com"}, "path begins"), ("a", {"path": "/x\r\n"}, "path begins"),
    ("a", {"path": "/ü"}, "path begins"), ("a", {"path": "x"}, "path begins"), ("a", {"same_site": ""}, "same_site is"),
    ("a", {"same_site": "Lax; Domain=example.com"}, "same_site is"), ("a", {"max_age_s": 1.5}, "max_age_s is"),
    ("a", {"max_age_s": True}, "max_age_s is"), ("a", {"same_site": "None"}, "must be secure"),
    ("__Host-a", {"secure": False}, "must be secure"), ("__HOST-a", {"secure": False}, "must be secure"),
    ("__Secure-a", {"secure": False}, "must be secure"), ("__Host-a", {"path": "/x"}, "must have the path /"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "words"), REFUSED)
def test_attributes_that_browsers_refuse_are_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cookie(name, "b", **options)


def test_a_cookie_has_safe_defaults() -> None:
    assert cookie("a", "b") == ("set-cookie", "a=b; Path=/; HttpOnly; SameSite=Lax")
    assert cookie("a", "b", max_age_s=5, secure=True) == ("set-cookie", "a=b; Path=/; Max-Age=5; HttpOnly; Secure; SameSite=Lax")
    assert cookie("__Host-a", "b") == ("set-cookie", "__Host-a=b; Path=/; HttpOnly; Secure; SameSite=Lax")
    assert cookie("__Secure-a", "b", path="/x")[1].endswith("Path=/x; HttpOnly; Secure; SameSite=Lax")
