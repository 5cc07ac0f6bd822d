"""As users run it: `mockforge serve`, whose event loop is another than that of the other tests, and a server that hangs and comes back."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.support.mongodb import mongodb
from tests.support.served import served


def test_routes_answer_hang_no_longer_than_they_may_and_answer_again(tmp_path: Path) -> None:
    with mongodb(tmp_path) as server:
        config = {
            "version": 1,
            "sources": {
                "shop": {
                    "use": "mongodb",
                    "config": {"hosts": [server.host], "database": "shop", "write": {}, "connect_ms": 20_000},
                    "limits": {"timeout_ms": 1500},
                    "queries": {
                        "all": {"query": {"find": "people", "projection": {"_id": 0}}},
                        "add": {"query": {"insert": "people", "documents": {"name": ":name"}}, "params": {"name": "text"}, "write": True},
                    },
                }
            },
            "routes": [
                {"match": {"method": "GET", "path": "/people"}, "response": {"data": "shop.all"}},
                {
                    "match": {"method": "POST", "path": "/people"},
                    "response": {"data": "shop.add", "params": {"name": "{{ request.json.name }}"}, "status": 201},
                },
                {"match": {"path": "/alive"}, "response": {"text": "yes"}},
            ],
        }
        (tmp_path / "mockforge.json").write_text(json.dumps(config))
        with served(tmp_path / "mockforge.json") as mock:
            head = {"content-type": "application/json"}
            made = [mock.request("POST", "/people", json.dumps({"name": name}).encode(), **head).status for name in ("Ada", "Bo")]
            assert made == [201, 201] and json.loads(mock.get("/people").body) == [{"name": "Ada"}, {"name": "Bo"}]
            server.freeze()
            assert mock.get("/people").status in (503, 504) and mock.get("/alive").body == b"yes"
            server.thaw()
            until = time.monotonic() + 30
            while (status := mock.get("/people").status) != 200 and time.monotonic() < until:
                time.sleep(0.05)
            assert status == 200
        assert "Ada" not in "\n".join(mock.lines)
