"""The published JSON Schemas are those of the readers, and agree with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import jsonschema_rs
import pytest
import yaml

from mockforge_asgi.plugins.package.schemas import json_schema
from tests.support.plugin_packages import MANIFEST

ROOT = Path(__file__).resolve().parents[3]
WHICH: tuple[Literal["manifest", "config"], ...] = ("manifest", "config")


@pytest.mark.parametrize("which", WHICH)
def test_the_published_schema_is_in_step(which: Literal["manifest", "config"]) -> None:
    file = ROOT / "docs" / "reference" / "schemas" / f"{which}.json"
    assert json.loads(file.read_text()) == json_schema(which), f"run: mockforge schema {which} > {file.relative_to(ROOT)}"


@pytest.mark.parametrize("which", WHICH)
def test_it_is_a_json_schema(which: Literal["manifest", "config"]) -> None:
    assert jsonschema_rs.meta.is_valid(json_schema(which))


def test_it_takes_what_the_readers_take() -> None:
    quickstart = yaml.safe_load((ROOT / "examples" / "quickstart" / "mockforge.yaml").read_text())
    assert jsonschema_rs.is_valid(json_schema("config"), quickstart)
    assert jsonschema_rs.is_valid(json_schema("manifest"), yaml.safe_load(MANIFEST))


@pytest.mark.parametrize("change", [{"kinds": ["auht"]}, {"id": "Not_An_Id"}, {"memory": 1}, {"permissions": {"secret": {}}}])
def test_it_refuses_what_they_refuse(change: dict[str, object]) -> None:
    assert not jsonschema_rs.is_valid(json_schema("manifest"), {**yaml.safe_load(MANIFEST), **change})
