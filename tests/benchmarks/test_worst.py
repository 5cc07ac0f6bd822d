"""The worst that is sent: every request finds its route, every guest is code that can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import worst
from mockforge_asgi.config import load_config
from mockforge_asgi.plugins.consistency import check_plugins


def test_the_configuration_and_its_plugins_are_in_order(tmp_path: Path) -> None:
    config = load_config(worst.write(tmp_path, "http://127.0.0.1:9"))
    assert not check_plugins(config).refused
    paths = {route.match.path for route in config.routes}
    attacked = {attack.target.partition("?")[0] for name, attack in worst.ATTACKS.items() if not name.startswith("path_")}
    assert attacked == paths - {"/health"}


@pytest.mark.parametrize("name", worst.ATTACKS)
def test_a_request_is_one_that_servers_read(name: str) -> None:
    head, _, body = worst.ATTACKS[name].message("h").partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].endswith(b" HTTP/1.1") and b"content-length: %d" % len(body) in head and len(head) < 64 * 1024
