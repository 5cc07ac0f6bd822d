"""Protection rules: which one decides."""

from __future__ import annotations

import pytest

from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import ConfigError


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
    assert protection.rule_for("GET", path) is not None and protection.covers(path)


def test_a_routes_template_protects_what_the_route_serves() -> None:
    protection = Protection([rule("/files/{name}.json", "x")])
    assert protection.covers("/files/a.json") and not protection.covers("/files/a.txt")


def test_of_equal_rules_the_first_decides() -> None:
    found = Protection(RULES).rule_for("GET", "/api/x")
    assert found is not None and found.auth == ("api",)


def test_without_a_rule_nothing_is_protected() -> None:
    protection = Protection([rule("/api/**", "api", "POST")])
    assert protection.rule_for("GET", "/api/x") is None and protection.covers("/api/x")
    assert protection.rule_for("POST", "/other") is None and not protection.covers("/other")
    assert not protection.claims.cover("/other") and protection.claims.cover("/api")


def test_a_pattern_that_means_nothing_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"protect\[1\]\.path"):
        Protection([rule("/a", "x"), rule("a**", "x")])
