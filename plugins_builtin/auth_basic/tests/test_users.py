"""The users of a secret; and for a name that nobody has, whose hash is worked out in place of one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from plugins_builtin.auth_basic.users import Users, read_users

HASHES = ["$2y$10$" + letter * 53 for letter in "abcdefgh"]
FILE = "\n".join(f"user{i}:{hashed}" for i, hashed in enumerate(HASHES))


def read(text: str, **config: Any) -> Users | list[tuple[str, str]]:
    return read_users({"users": "u", **config}, lambda _: text)


def users(text: str = FILE, **config: Any) -> Users:
    found = read(text, **config)
    assert isinstance(found, Users), found
    return found


def test_each_line_is_a_user() -> None:
    found = users(f"# comment\r\n\r\nada:{HASHES[0]}\r\n é:{HASHES[1]}:further:fields\n", roles={"ada": ["x"]}, groups={"é": ["g"]})
    assert [(u.name, u.roles, u.groups) for u in found.by_name.values()] == [("ada", ("x",), ()), ("é", (), ("g",))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ada", "line 1: it must be `name:hash`"),
        (f":{HASHES[0]}", "line 1: it must be `name:hash`"),
        (f"ada:{HASHES[0]}\nada:{HASHES[1]}", "line 2: there is a user of that name already"),
        (f"a\tda:{HASHES[0]}", "control character"),
        ("ada:planted-password", "line 1: the password is not hashed"),
        ("", "nobody could pass"),
        ("# ada:x", "nobody could pass"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_without_what_stands_there(text: str, words: str) -> None:
    problems = read(text)
    assert isinstance(problems, list)
    assert words in problems[0][1] and "planted-password" not in str(problems) and "$2y" not in str(problems)


def test_roles_and_groups_of_nobody_are_told() -> None:
    problems = read(FILE, roles={"user9": ["x"]}, groups={"User1": ["x"]})
    assert problems == [("roles.user9", "there is no user of that name."), ("groups.User1", "there is no user of that name.")]


def test_a_name_that_nobody_has_is_hashed_like_one_of_the_users_always_the_same_and_not_always_one() -> None:
    found = users()
    stand_ins = {name: found.find(name.encode()) for name in (f"nobody{i}" for i in range(400))}
    assert {user for user, _ in stand_ins.values()} == {None}
    assert all(found.find(name.encode())[1] is held for name, (_, held) in stand_ins.items())
    assert len(Counter(id(held) for _, held in stand_ins.values())) == len(HASHES)


def test_whose_hash_that_is_cannot_be_foretold() -> None:
    names = [f"nobody{i}".encode() for i in range(64)]
    first, second = ([held.text for _, held in map(found.find, names)] for found in (users(), users()))  # type: ignore[attr-defined]
    assert first != second


def test_a_user_is_hashed_with_its_own() -> None:
    found = users()
    for name, user in found.by_name.items():
        assert found.find(name) == (user, user.hash)
