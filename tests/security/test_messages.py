"""What is lacking and what is idle, in words, with the lines that would grant it."""

from __future__ import annotations

import pytest
import yaml

from mockforge_asgi.config.objects import Grants
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.security.messages import grant_lines, grant_remedy, missing_problems, unasked_problems
from mockforge_asgi.security.permissions import intersect
from tests.security.test_permissions import ALL, asked, granted


def test_a_grant_that_nobody_asked_for_is_told() -> None:
    met = intersect(asked({"network": {"allow": ["https://a.example.com"]}}), granted({"network": ["https://b.example.com"]}))
    words = str(unasked_problems(met.unasked, Locations("m"), ("grants",))[0])
    assert (
        words
        == "m grants.network: connects to: https://b.example.com: granted, but the manifest does not ask for it. Ask there, or remove it."
    )


def test_the_lines_to_add_grant_just_what_is_lacking() -> None:
    permissions = asked(
        {**ALL, "network": {"allow": ["https://api.example.com:8443", "https://*.example.org", "http://127.0.0.1:90"], "reason": "asks"}}
    )
    missing = intersect(permissions, Grants()).missing
    text = "\n".join(grant_lines(missing))
    met = intersect(permissions, granted(yaml.safe_load(text)))
    assert (met.missing, met.unasked) == ((), ())
    assert "# asks" in text


def test_what_is_lacking_is_one_problem_with_its_remedy() -> None:
    permissions = asked({"request.headers": {"names": ["x-api-key"], "reason": "reads the key"}, "secrets": {"names": ["api_keys"]}})
    problems = missing_problems(intersect(permissions, Grants()).missing, Grants(), Locations("mockforge.yaml"), ("plugins", "p"))
    assert [str(p) for p in problems] == [
        (
            "mockforge.yaml plugins.p: the plugin needs request.headers, secrets, which are not granted. "
            "If that is meant, write under `grants:`\n"
            "        request: {headers: [x-api-key]}   # reads the key\n"
            "        secrets: [api_keys]\n"
            "      and under `secrets:`\n"
            "        api_keys: {env: API_KEYS}"
        )
    ]


@pytest.mark.parametrize(
    ("wanted", "given", "told"),
    [
        ("https://*", "http://a.example.com:9000", "It asks for https://*; granted is http://a.example.com:9000, another scheme."),
        ("https://api.example.com", "http://api.example.com", "granted is http://api.example.com, another scheme."),
        ("https://api.example.com", "https://api.example.com:8443", "granted is https://api.example.com:8443, another port."),
        ("https://*.example.com", "https://example.com", "granted is https://example.com, another host."),
        ("http://api.example.com:81", "https://api.example.org", "another scheme and host and port."),
    ],
)  # fmt: skip
def test_a_network_grant_that_misses_is_held_against_what_is_asked_for(wanted: str, given: str, told: str) -> None:
    permissions, grants = asked({"network": {"allow": [wanted]}}), granted({"network": [given]})
    met = intersect(permissions, grants)
    (problem,) = missing_problems(met.missing, grants, Locations("m"), ("plugins", "p"))
    assert "the plugin needs network, which is not granted. It asks for " in str(problem)
    assert told in str(problem)


def test_of_several_grants_the_nearest_is_told_and_of_many_rules_a_few() -> None:
    permissions = asked({"network": {"allow": [f"https://h{n}.example.com" for n in range(9)]}})
    grants = granted({"network": ["http://other.example.org", "http://h0.example.com"]})
    words = str(missing_problems(intersect(permissions, grants).missing, grants, Locations("m"), ("plugins", "p"))[0])
    assert "It asks for https://h0.example.com; granted is http://h0.example.com, another scheme." in words
    assert words.count("It asks for") == 3


@pytest.mark.parametrize(
    ("wanted", "given", "replaced"),
    [
        ({"request.body": {}}, {"request": {"headers": ["a"], "query": "*"}}, "`request:`"),
        ({"request.headers": {"names": ["a", "b"]}}, {"request": {"headers": ["a", "c"], "client": True}}, "`request:`"),
        ({"secrets": {"names": ["other", "api_keys"]}, "kv": {}}, {"secrets": "api_keys"}, "`secrets:`"),
        ({"network": {"allow": ["https://a.example"]}}, {"network": [{"allow": "http://10.0.0.1", "private": True}]}, "`network:`"),
        ({"data.raw": {"sources": ["users"]}}, {"data": ["users/by_id"], "files": ["x"]}, "`data:`"),
        ({"files": {"read": ["a/*.csv"]}}, {"files": ["b.txt"]}, "`files:`"),
        ({"response.body": {}, "kv": {}}, {"response": {"headers": "*"}, "kv": {"max_keys": 9}}, "`response:`"),
        ({"request.body": {}}, {"secrets": ["other"]}, ""),
    ],
)  # fmt: skip
def test_the_suggested_lines_in_place_of_those_of_their_name_grant_what_was_granted_and_what_lacks(
    wanted: dict[str, dict[str, object]], given: dict[str, object], replaced: str
) -> None:
    grants, permissions = granted(given), asked({name: {**value, "reason": "r"} for name, value in wanted.items()})
    remedy = grant_remedy(intersect(permissions, grants).missing, grants)
    head, _, lines = remedy.partition("\n")
    assert head == "If that is meant, write under `grants:`" + (f", in place of {replaced} there" if replaced else "")
    pasted = granted({**given, **yaml.safe_load(lines)})
    assert intersect(permissions, pasted).missing == ()
    for name, right in grants.rights.items():
        assert right.names <= pasted.rights[name].names and set(right.network) <= set(pasted.rights[name].network)


def test_entries_for_secrets_that_are_not_there_are_told_with_the_grant() -> None:
    missing = intersect(asked({"secrets": {"names": ["there", "api-key.2"]}}), Grants()).missing
    (problem,) = missing_problems(missing, Grants(), Locations("m"), ("plugins", "p"), secrets={"there"})
    assert problem.remedy.endswith("\n      and under `secrets:`\n        api-key.2: {env: API_KEY_2}")
