"""Protection rules: which one decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.routing.glob import PathGlob


def rule(path: str, name: str, *methods: str) -> ProtectRule:
    return ProtectRule(path, (name,), methods=frozenset(methods))


RULES = [
    rule("/**", "everything"),
    rule("/api/**", "api"),
    rule("/api/public/**", "public"),
    rule("/api/**", "writers", "POST", "PUT"),
    rule("/api/*/secret", "secret"),
    rule("/readers", "readers", "get"),
    rule("/api/**", "never-reached"),
]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/", "everything"),
        ("GET", "", "everything"),
        ("GET", "/apix", "everything"),
        ("GET", "/api", "api"),
        ("GET", "/api/", "api"),
        ("GET", "/api/x/y", "api"),
        ("POST", "/api/x", "writers"),
        ("post", "/api/x", "writers"),
        ("GET", "/api/public/x", "public"),
        ("POST", "/api/public/x", "public"),
        ("GET", "/api/x/secret", "secret"),
        ("GET", "/api/x/secret/", "secret"),
        ("GET", "/readers", "readers"),
        ("HEAD", "/readers", "readers"),
        ("GET", "/readers/", "readers"),
        ("POST", "/readers", "everything"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_most_specific_rule_decides_wherever_it_is_written(method: str, path: str, name: str, order: int) -> None:
    rules = [r for r in RULES if r.auth != ("never-reached",)][::order]
    found = Protection(rules).rule_for(method, path)
    assert found is not None and found.auth == (name,)


@pytest.mark.parametrize("path", ["/admin", "/admin/"])
@pytest.mark.parametrize("written", ["/admin", "/admin/", "/admin//"])
def test_a_slash_at_the_end_makes_no_difference(written: str, path: str) -> None:
    protection = Protection([rule(written, "x")])
    assert protection.rule_for("GET", path) is not None


def test_a_routes_template_protects_what_the_route_serves() -> None:
    protection = Protection([rule("/files/{name}.json", "x")])
    assert protection.rule_for("GET", "/files/a.json") is not None and protection.rule_for("GET", "/files/a.txt") is None


def test_of_equal_rules_the_first_decides() -> None:
    found = Protection(RULES).rule_for("GET", "/api/x")
    assert found is not None and found.auth == ("api",)


def test_without_a_rule_nothing_is_protected() -> None:
    protection = Protection([rule("/api/**", "api", "POST")])
    assert protection.rule_for("GET", "/api/x") is None and protection.claims.cover("/api/x")
    assert protection.rule_for("POST", "/other") is None
    assert not protection.claims.cover("/other") and protection.claims.cover("/api")


def test_a_pattern_that_means_nothing_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"protect\[1\]\.path"):
        Protection([rule("/a", "x"), rule("a**", "x")])


@pytest.mark.parametrize("written", ["/admin/**", "/api/admin/**", "/*/admin/**", "/api/**", "/**"])
@pytest.mark.parametrize("path", ["/admin/x", "/api/admin/x"])
@pytest.mark.parametrize("root", ["/api", "/mounted/api"])
def test_a_rule_holds_with_the_apps_own_root_path_and_without(written: str, path: str, root: str) -> None:
    protection = Protection([rule(written, "x")], root)
    assert protection.rule_for("GET", path) is not None and protection.claims.cover(path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/x", "strict"),
        ("/api/a/x", "strict"),
        ("/b/x", "other"),
        ("/api/b/x", "other"),
        ("/c", "all"),
        ("/api/c", "all"),
        ("/api", "all"),
        ("/apix", "none"),
    ],
)
def test_how_specific_a_rule_is_does_not_depend_on_the_root_path_in_it(path: str, name: str) -> None:
    rules = [rule("/**", "none"), rule("/api/**", "all"), rule("/a/**", "strict"), rule("/api/b/**", "other")]
    found = Protection([r for r in rules if name == "none" or r.auth != ("none",)], "/api").rule_for("GET", path)
    assert found is not None and found.auth == (name,)


ROOTED = st.lists(st.sampled_from(["api", "a", "*", "**"]), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(ROOTED, min_size=1, max_size=4, unique=True), st.lists(st.sampled_from(["api", "a", "b"]), max_size=3))
def test_what_is_one_path_to_the_app_is_under_one_rule(written: list[str], parts: list[str]) -> None:
    """The app: `FastAPI(root_path="/api")`, which takes it off once where it is there."""
    inner = "/" + "/".join(parts)
    protection = Protection([rule(path, str(n)) for n, path in enumerate(written)], "/api")
    found = protection.rule_for("GET", "/api" + inner)
    if parts[:1] != ["api"]:  # which the app would take off
        assert protection.rule_for("GET", inner) == found
    if any(PathGlob(path).matches(name) for path in written for name in (inner, "/api" + inner)):
        assert found is not None and protection.claims.cover("/api" + inner)
