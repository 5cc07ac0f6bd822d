"""The objects that a configuration is made into: their defaults are those of the file."""

from __future__ import annotations

from pathlib import Path

from mockforge_asgi.config import Config, load_config
from mockforge_asgi.config.objects import NativeTrust, PluginUse
from mockforge_asgi.http.body import BodyLimits


def test_what_is_not_written_is_what_the_objects_say(tmp_path: Path) -> None:
    """Each default stands once, with the object that is made of it."""
    assert load_config({"version": 1}, base_dir=tmp_path) == Config(base_dir=tmp_path)
    plugin = load_config({"version": 1, "plugins": {"a": {"use": "./a"}}}, base_dir=tmp_path).plugins["a"]
    assert plugin == PluginUse("a", "./a", tmp_path / "a", alias="a", prefix="/a", base_dir=tmp_path)
    trusted = load_config({"version": 1, "plugins": {"a": {"use": "./a", "native": {"trust": "path"}}}}).plugins["a"].native
    assert trusted == NativeTrust("path")


def test_a_request_is_read_within_the_bounds_of_the_configuration() -> None:
    assert load_config({"version": 1}).limits.body == BodyLimits()
    limits = load_config({"version": 1, "limits": {"max_body_kb": 2, "body_timeout_ms": 500}}).limits.body
    assert limits == BodyLimits(max_bytes=2048, timeout_s=0.5)


def test_dev_wins_over_what_a_configuration_says_that_is_made_already() -> None:
    made = load_config({"version": 1})
    assert load_config(made) is made and load_config(made, dev=True).dev and not load_config(load_config(made, dev=True), dev=False).dev
