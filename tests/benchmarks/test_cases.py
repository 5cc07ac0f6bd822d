"""The requests under measurement: in every chain case path, header and body differ, and an answer must be its request's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks.cases import CHAINS, EXAMPLE, Case, case


@pytest.mark.parametrize("name", [*CHAINS, "quickstart", "quickstart_dev"])
def test_path_header_and_body_differ_from_request_to_request(name: str, tmp_path: Path) -> None:
    sent = case(tmp_path / name, name)
    assert sent.varies
    assert sent.target(1) != sent.target(2)
    assert sent.header_pairs(1) != sent.header_pairs(2)
    assert sent.content(1) != sent.content(2)


def test_an_answer_to_another_request_is_wrong() -> None:
    sent = Case("bare", "/hello/Ada{n}", answer=('"Hello, Ada{n}"',))
    sent.check(7, 200, '{"message": "Hello, Ada7"}')
    for status, body in ((200, '{"message": "Hello, Ada8"}'), (404, '{"message": "Hello, Ada7"}')):
        with pytest.raises(AssertionError, match="request 7"):
            sent.check(7, status, body)


def test_the_quickstart_is_measured_as_it_is_and_outside_development_mode(tmp_path: Path) -> None:
    example = yaml.safe_load((EXAMPLE / "mockforge.yaml").read_text())
    for name, dev in (("quickstart", False), ("quickstart_dev", True)):
        config = case(tmp_path / name, name).config
        assert config is not None
        assert yaml.safe_load(config.read_text()) == {**example, "dev": dev}
    assert example["dev"] is True
