"""`cors:` as it may be written."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.http.cors import OPEN, Cors


@pytest.mark.parametrize(
    ("written", "built"),
    [
        ({"origins": "*"}, OPEN),
        ({"origins": []}, Cors(frozenset())),
        ({"origins": "https://a.test"}, Cors(frozenset({"https://a.test"}))),
        ({"origins": ["http://localhost:5173", "http://localhost:5173"]}, Cors(frozenset({"http://localhost:5173"}))),
        (
            {"origins": "https://a.test", "credentials": True, "methods": ["get", "PUT"], "headers": "X-Api-Key", "max_age_s": 0},
            Cors(frozenset({"https://a.test"}), frozenset({"GET", "PUT"}), frozenset({"x-api-key"}), (), True, 0),
        ),
        (
            {"origins": "null", "expose": ["X-Total"], "private_network": True},
            Cors(frozenset({"null"}), expose=("x-total",), private_network=True),
        ),
        ({"origins": ["tauri://localhost", "http://[::1]:8080"]}, Cors(frozenset({"tauri://localhost", "http://[::1]:8080"}))),
    ],
)  # fmt: skip
def test_it_is_read(written: dict[str, Any], built: Cors) -> None:
    assert load_config({"version": 1, "cors": written}).cors == built


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("https://a.test/", "Write 'https://a.test'."),
        ("https://a.test/x?y", "Write 'https://a.test'."),
        ("https://A.test", "Write 'https://a.test'."),
        ("HTTPS://a.test", "Write 'https://a.test'."),
        ("https://a.test:443", "Write 'https://a.test'."),
        ("http://a.test:80", "Write 'http://a.test'."),
        ("https://u@a.test", "Write 'https://a.test'."),
        ("a.test", "Write one such as https://app.example.com, or '*' for all."),
        ("localhost:5173", "Write one such as https://app.example.com, or '*' for all."),
        ("https://*.a.test", "Write one such as https://app.example.com, or '*' for all."),
        ("https://bücher.test", "Write one such as https://app.example.com, or '*' for all."),
        ("https://a.test\n", "Write 'https://a.test'."),
        ("https://[", "Write one such as https://app.example.com, or '*' for all."),
        ("", "Write one such as https://app.example.com, or '*' for all."),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(origin: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"version": 1, "cors": {"origins": [origin]}})
    assert "cors.origins[0]" in str(caught.value) and "is not an origin as browsers send it." in str(caught.value)
    assert str(caught.value).endswith(remedy)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "cors: `origins` is missing."),
        ({"origins": "*", "credentials": True}, "`credentials` and the origin '*'"),
        ({"origins": ["https://a.test", "null"], "credentials": True}, "`credentials` and the origin 'null'"),
        ({"origins": "https://a.test", "credentials": True, "expose": "*"}, "Name the headers."),
        ({"origins": "*", "methods": "G T"}, "'G T' is not a method."),
        ({"origins": "*", "headers": "a b"}, "'a b' is not a name."),
        ({"origins": "*", "max_age_s": -1}, "cors.max_age_s"),
        ({"origin": "*"}, "origins"),
    ],
)
def test_what_cannot_be_meant_is_refused(written: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"version": 1, "cors": written})
    assert told in str(caught.value)
