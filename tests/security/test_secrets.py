"""Secrets come from where the operator says, and show nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mockforge_asgi.config.objects import SecretSource
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.security.secrets import Secrets


def test_the_three_sources_are_read(tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_bytes(b"from file\r\n")
    sources = {
        "a": SecretSource("env", env="A"),
        "b": SecretSource("file", file=file),
        "c": SecretSource("value", value="from here"),
    }
    secrets = Secrets.load(sources, environ={"A": "from env"})
    assert [secrets.get(n) for n in ("a", "b", "c", "d")] == ["from env", "from file", "from here", None]
    assert secrets.names() == ("a", "b", "c") and "a" in secrets


def test_every_missing_secret_is_named_at_once(tmp_path: Path) -> None:
    empty, binary, long = tmp_path / "empty", tmp_path / "binary", tmp_path / "long"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    long.write_bytes(b"x" * 70_000)
    files = {"b": tmp_path / "none", "c": empty, "d": binary, "e": long}
    sources = {"a": SecretSource("env", env="A"), "f": SecretSource("env", env="F")}
    sources |= {name: SecretSource("file", file=file) for name, file in files.items()}
    with pytest.raises(ConfigError) as raised:
        Secrets.load(sources, environ={"F": ""})
    said = {p.place.split(".")[-1]: p.what for p in raised.value.problems}
    assert said["a"] == "the environment variable A is not set."
    assert said["f"] == "the environment variable F is empty."
    assert "cannot be read: No such file" in said["b"]
    assert "is empty" in said["c"] and "not UTF-8" in said["d"] and "longer than 64 KiB" in said["e"]


def test_only_what_is_needed_is_read() -> None:
    sources = {"a": SecretSource("env", env="A"), "b": SecretSource("value", value="v")}
    assert Secrets.load(sources, environ={}, needed=["b", "unknown"]).names() == ("b",)


def test_values_show_nowhere() -> None:
    secrets = Secrets({"a": "hunter2"})
    assert "hunter2" not in f"{secrets!r} {secrets} {SecretSource('value', value='hunter2')!r}"
    with pytest.raises(TypeError):
        pickle.dumps(secrets)


def test_a_file_that_was_replaced_is_read_again_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s"
    file.write_text("old-secret")
    secrets, told = Secrets.load({"a": SecretSource("file", file=file)}), list[str]()
    secrets.on_change = lambda changed: told.extend(value for _, value in changed.items())
    file.write_text("new-secret")
    assert secrets.get("a") == "old-secret"
    assert secrets.read_again("a") == secrets.get("a") == "new-secret"
    file.write_text("newest-secret")
    assert secrets.read_again("a") == "new-secret", "not twice in a second"
    monkeypatch.setattr("mockforge_asgi.security.secrets.AGAIN_S", 0.0)
    file.unlink()
    assert secrets.read_again("a") == "new-secret", "what cannot be read stays"
    assert (told, secrets.read_again("b")) == (["new-secret"], None)
