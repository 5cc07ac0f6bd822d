"""Keys made of passwords in the sandbox are those that OpenSSL makes; what is not there is told before a start."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.static_checks import validate
from mockforge_plugin.sandbox.hashes import pbkdf2_hmac
from mockforge_plugin.sandbox.stdlib import ABSENT
from tests.support.asking_plugin import run
from tests.support.plugin_packages import folder, minimal
from tests.support.python_sandbox_harness import Sandbox

HASHES = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s"]


@given(st.sampled_from(HASHES), st.binary(max_size=200), st.binary(max_size=40), st.integers(1, 5), st.none() | st.integers(1, 150))
def test_a_key_is_the_one_that_openssl_makes(name: str, password: bytes, salt: bytes, iterations: int, size: int | None) -> None:
    assert pbkdf2_hmac(name, password, salt, iterations, size) == hashlib.pbkdf2_hmac(name, password, salt, iterations, size)


@pytest.mark.parametrize(
    "arguments", [("sha256", b"p", b"s", 0), ("sha256", b"p", b"s", 1, 0), ("nope", b"p", b"s", 1), (b"sha1", b"p", b"s", 1)]
)
def test_what_openssl_refuses_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((ValueError, TypeError)) as theirs:
        hashlib.pbkdf2_hmac(*arguments)
    with pytest.raises((ValueError, TypeError)) as ours:
        pbkdf2_hmac(*arguments)
    assert issubclass(theirs.type, ours.type)


@pytest.mark.parametrize(
    "code",
    [
        "import hashlib; r = hashlib.pbkdf2_hmac('sha256', b'p', b's', 100).hex()",
        "from hashlib import pbkdf2_hmac; r = pbkdf2_hmac('sha256', password=bytearray(b'p'), salt=memoryview(b's'), iterations=100).hex()",
    ],
)
def test_the_sandbox_makes_keys_of_passwords(sandbox: Sandbox, code: str) -> None:
    assert run(sandbox, code) == hashlib.pbkdf2_hmac("sha256", b"p", b"s", 100).hex()


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_told_to_be_absent_is_absent(sandbox: Sandbox, name: str) -> None:
    module, _, what = name.rpartition(".")
    assert importlib.util.find_spec(module) and run(sandbox, f"import {module}; r = hasattr({module}, {what!r})") is False


CODE = "{}\ndef generate(request):\n    {}\n    return None\n"


@pytest.mark.parametrize(
    ("first", "then", "is_loaded"),
    [
        ("import hashlib", "hashlib.scrypt(b'p', salt=b's', n=2, r=8, p=1)", True),
        ("import hashlib as h", "h.scrypt", True),
        ("", "from hashlib import scrypt", True),
        ("from hashlib import scrypt", "scrypt", False),
        ("import os", "os.system('ls')", True),
    ],
)
def test_validate_says_what_a_module_lacks_in_the_sandbox(tmp_path: Path, first: str, then: str, is_loaded: bool) -> None:
    files = {"plugin.yaml": minimal("a", "description: d\nlicense: MIT", kinds="[response]"), "plugin.py": CODE.format(first, then)}
    made = folder(tmp_path, files)
    if is_loaded:
        (told,) = validate(made, "p").warnings
        assert str(told).startswith("p/plugin.py:3: the sandbox has no `") and str(told).endswith(".")
    else:
        with pytest.raises(PluginRejected) as refused:
            validate(made, "p")
        assert str(refused.value.problems[0]).startswith("p/plugin.py:1: the sandbox has no `hashlib.scrypt`. Use `hashlib.pbkdf2_hmac`")


@pytest.mark.parametrize(
    ("first", "then"), [("import hashlib", "hashlib.pbkdf2_hmac"), ("", "hashlib.scrypt"), ("from .hashlib import scrypt", "scrypt")]
)
def test_what_is_there_or_of_the_plugins_own_is_no_warning(tmp_path: Path, first: str, then: str) -> None:
    files = {"plugin.yaml": minimal("a", "description: d\nlicense: MIT", kinds="[response]"), "plugin.py": CODE.format(first, then)}
    assert validate(folder(tmp_path, files), "p").warnings == ()
