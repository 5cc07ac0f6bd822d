"""Asked ∩ granted: what a plugin may do, and what is lacking."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import Grants, Right
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.plugins.package.manifest import manifest_of
from mockforge_asgi.security.permissions import (
    NOTHING,
    EffectivePermissions,
    KvRight,
    Permission,
    Permissions,
    intersect,
)

BASE = {
    "manifest_version": 1,
    "id": "p",
    "version": "1.0.0",
    "contract": "0.1",
    "kinds": ["response"],
    "runtime": "python",
    "entry": "p.py",
}


def asked(permissions: dict[str, Any]) -> Permissions:
    return manifest_of({**BASE, "permissions": permissions}).permissions


def granted(grants: dict[str, Any]) -> Grants:
    sources = {"users": {"plugin": "p", "queries": {"by_id": "x", "all": "x"}}}
    secrets = {"api_keys": {"value": "v"}, "other": {"value": "v"}}
    plugins = {"p": {"use": "./p", "grants": grants}}
    return load_config({"version": 1, "plugins": plugins, "sources": sources, "secrets": secrets}).plugins["p"].grants


def effective(permissions: dict[str, Any], grants: dict[str, Any]) -> EffectivePermissions:
    return intersect(asked(permissions), granted(grants)).effective


ALL = {
    "request.headers": {"names": ["X-API-Key", "accept"]},
    "request.cookies": {"names": ["session"]},
    "request.query": {"names": ["page"]},
    "request.body": {},
    "request.client": {},
    "request.principal": {},
    "response.headers": {"names": ["etag"]},
    "response.set_headers": {"names": ["Set-Cookie"]},
    "response.body": {},
    "secrets": {"names": ["api_keys"]},
    "kv": {"max_keys": 10},
    "network": {"allow": ["https://api.example.com", "https://*"]},
    "data": {"queries": ["users/by_id"]},
    "data.raw": {"sources": ["users"]},
    "files": {"read": ["data/*.csv"]},
}


def test_nothing_is_allowed_by_default() -> None:
    met = intersect(asked(ALL), Grants())
    assert met.effective == NOTHING == EffectivePermissions()
    assert {p.right.name for p in met.missing} == set(ALL)


def test_what_is_not_asked_for_is_not_allowed_even_if_granted() -> None:
    met = intersect(Permissions(), granted({"request": {"body": True}, "kv": True, "secrets": ["other"]}))
    assert met.effective == NOTHING
    assert {r.name for r in met.unasked} == {"request.body", "kv", "secrets"}


def test_what_is_both_asked_for_and_granted_is_allowed() -> None:
    grants = {
        "request": {
            "headers": ["x-api-key", "accept"],
            "cookies": ["session"],
            "query": ["page"],
            "body": True,
            "client": True,
            "principal": True,
        },
        "response": {"headers": ["etag"], "set_headers": ["set-cookie"], "body": True},
        "secrets": ["api_keys"],
        "kv": {"max_keys": 5, "max_bytes": 99},
        "network": ["https://api.example.com", {"allow": "https://10.0.0.5", "private": True}],
        "data": {"queries": ["users/by_id"], "raw": ["users"]},
        "files": ["data/*.csv"],
    }
    met = intersect(asked(ALL), granted(grants))
    assert (met.missing, met.unasked) == ((), ())
    rights = met.effective
    assert rights.request_view == RequestView(
        frozenset({"x-api-key", "accept"}),
        frozenset({"session", "__Host-session", "__Secure-session"}),
        frozenset({"page"}),
        True,
        True,
        True,
    )
    assert rights.response_headers == frozenset({"etag"}) and rights.set_headers == {"set-cookie"} and rights.response_body
    assert rights.kv == KvRight(5, 99)
    assert [(str(r), r.private) for r in rights.network] == [("https://api.example.com", False), ("https://10.0.0.5", True)]
    assert rights.secrets == {"api_keys"} and rights.data == {"users/by_id"} and rights.data_raw == {"users"}
    assert rights.files == ("data/*.csv",)


@pytest.mark.parametrize(
    ("names", "allowed", "seen"),
    [
        (["*"], ["a", "b"], frozenset({"a", "b"})),
        (["a", "b"], ["*"], frozenset({"a", "b"})),
        (["*"], ["*"], None),
        (["a", "b"], ["b", "c"], frozenset({"b"})),
    ],
)
def test_a_star_leaves_the_choice_to_the_other_side(names: list[str], allowed: list[str], seen: frozenset[str] | None) -> None:
    assert effective({"request.headers": {"names": names}}, {"request": {"headers": allowed}}).request_view.headers == seen


def test_part_of_what_is_needed_is_reported_as_lacking() -> None:
    met = intersect(asked({"request.headers": {"names": ["a", "b"]}}), granted({"request": {"headers": ["a"]}}))
    assert met.effective.request_view.headers == frozenset({"a"})
    assert [p.right.names for p in met.missing] == [{"b"}]


def test_optional_permissions_may_be_lacking() -> None:
    met = intersect(asked({"kv": {"optional": True}, "secrets": {"names": ["api_keys"], "optional": True}}), Grants())
    assert met.missing == ()


def test_the_smaller_size_holds() -> None:
    assert effective({"kv": {"max_keys": 10}}, {"kv": {"max_keys": 50, "max_bytes": 7}}).kv == KvRight(10, 7)
    assert effective({"kv": {}}, {"kv": True}).kv == KvRight()


def test_a_file_glob_may_be_narrowed() -> None:
    assert effective({"files": {"read": ["data/*"]}}, {"files": ["data/a.csv"]}).files == ("data/a.csv",)


@pytest.mark.parametrize(
    ("wanted", "allowed", "met"),
    [
        ("data/*.csv", "data/*", ("data/*.csv",)),
        ("data/*", "data/*.csv", ("data/*.csv",)),
        ("data/?.csv", "data/*", ("data/?.csv",)),
        ("data/a.csv", "data/[ab].csv", ("data/a.csv",)),
        ("data/*", "data/?", ("data/?",)),
        ("data/*", "data/[!b]", ()),
        ("d*a/x", "d?a/x", ("d?a/x",)),
        ("data/[xb]", "data/*b*", ()),
        ("data/?", "data/*", ("data/?",)),
    ],
)
def test_a_glob_of_files_never_gives_more_than_the_grant(wanted: str, allowed: str, met: tuple[str, ...]) -> None:
    assert effective({"files": {"read": [wanted]}}, {"files": [allowed]}).files == met


_GLOBS = st.text("ab*?[]!", min_size=1, max_size=6)


@given(_GLOBS, _GLOBS, st.text("ab*?[]!", min_size=1, max_size=6))
def test_files_that_are_met_are_asked_for_and_granted(wanted: str, allowed: str, path: str) -> None:
    both = Permissions({"files": Permission(Right("files", frozenset({wanted})))}), Grants({"files": Right("files", frozenset({allowed}))})
    for met in intersect(*both).effective.files:
        if fnmatchcase(path, met):
            assert fnmatchcase(path, wanted) and fnmatchcase(path, allowed)


def test_a_wider_grant_is_no_surprise_but_another_one_is() -> None:
    met = intersect(asked({"network": {"allow": ["https://a.example.com"]}}), granted({"network": ["https://*.example.com"]}))
    assert met.unasked == ()
    met = intersect(asked({"network": {"allow": ["https://a.example.com"]}}), granted({"network": ["https://b.example.com"]}))
    assert [str(r.network[0]) for r in met.unasked] == ["https://b.example.com"]
