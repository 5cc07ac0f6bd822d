"""The golden cases, natively and in the sandbox."""

from __future__ import annotations

import pytest

from tests.plugin_kit.conftest import Load
from tests.support.golden_cases import GOLDEN, NAMES, doors_of, expected, files_of, golden, replay


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_answers_its_golden_cases(load: Load, name: str) -> None:
    document = golden(name)
    instance = load(files_of(GOLDEN / document["plugin"]), doors_of(document["doors"]))
    assert instance.describe() == document["describe"]
    assert replay(instance, document) == expected(document)
    assert [list(line) for line in instance.doors.logged] == document.get("logged", [])


def test_every_plugin_of_the_golden_folder_is_used() -> None:
    used = {golden(name)["plugin"] for name in NAMES} | {"plugins/oidc_login"}
    assert used == {f"plugins/{path.name}" for path in (GOLDEN / "plugins").iterdir()}
