"""The requests under measurement: for each case an application, its configuration, and what is sent and must come back.

`{n}` in a case's texts stands for the request's number, which differs from request to request: in the path, in a header and in
the body of every chain case. `answer` is what must be in the answer to that request and to no other one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks import chain

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "quickstart"
_TEMPLATED = '{"message": {{ ("Hello, " ~ request.path_params.name) | tojson }}, "caller": {{ request.headers.x_api_key | tojson }}}'


@dataclass(frozen=True, slots=True)
class Case:
    """An application (a function of `apps`), and the requests sent to it."""

    app: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""
    config: Path | None = None
    answer: tuple[str, ...] = ()

    @property
    def varies(self) -> bool:
        """Whether one request differs from another."""
        return "{n}" in self.path

    def target(self, n: int) -> str:
        """The path of request `n`."""
        return numbered(self.path, n)

    def header_pairs(self, n: int) -> list[tuple[str, str]]:
        """The headers of request `n`."""
        return [(name, numbered(value, n)) for name, value in self.headers.items()]

    def content(self, n: int) -> bytes:
        """The body of request `n`."""
        return numbered(self.body, n).encode()

    def check(self, n: int, status: int, body: str) -> None:
        """Raises: AssertionError when that is not the answer to request `n`."""
        missing = [text for part in self.answer if (text := numbered(part, n)) not in body]
        assert status == 200 and not missing, f"request {n} of {self.path}: {status}, without {missing}: {body}"


def numbered(text: str, n: int) -> str:
    """The text of request `n`."""
    return text.replace("{n}", str(n))


def cases(folder: Path, names: Iterable[str]) -> dict[str, Case]:
    """Those cases; what they need is written below the folder."""
    return {name: case(folder / name, name) for name in names}


def case(folder: Path, name: str) -> Case:
    """One case. Its plugins and configuration are written into the folder, which is made."""
    if name in _PLAIN:
        return _PLAIN[name]
    if name == "templated":
        return Case("configured", "/hello/Ada{n}", {"X-API-Key": "key-{n}"}, config=_templated(folder), answer=_GREETING)
    if name in ("quickstart", "quickstart_dev"):
        headers = {"X-API-Key": "demo-key", "X-Request-ID": "r-{n}"}
        config = _quickstart(folder, dev=name.endswith("dev"))
        return Case("configured", "/hello/Ada{n}", headers, body='{"order":{n}}', config=config, answer=_QUICKSTART)
    runtime, full = CHAINS[name]
    config = chain.write(folder, runtime, full=full)
    return Case("configured", "/hello/Ada{n}", {"X-API-Key": "key-{n}"}, "POST", '{"order":{n}}', config, _FULL if full else _CHAIN)


CHAINS: Mapping[str, tuple[chain.Runtime, bool]] = {
    "native_chain": ("native", False),
    "native_threads_chain": ("native_threads", False),
    "sandboxed_chain": ("extism", False),
    "workers_2": ("extism", False),
    "sandboxed_full_chain": ("extism", True),
    "python_chain": ("python", False),
}
"""The runtime of the three plugins, and whether the response plugin is shown all there is."""
_PLAIN = {
    "bare": Case("bare", "/health"),
    "starlette": Case("starlette", "/app"),
    "wrapped": Case("wrapped", "/app"),
    "pass_through": Case("wrapped_bare", "/app"),
    "static": Case("static", "/health"),
}
_GREETING = ('"message": "Hello, Ada{n}"', '"caller": "key-{n}"')
_CHAIN = ('"message": "Hello, Ada{n}"', '"tag": "<Ada{n}>"')
_FULL = (*_CHAIN, '"caller": "key-{n}"', '"order": "{n}"')
_QUICKSTART = ('"message": "Hello, Ada{n}!"', '"initials": "A"', '"caller": "demo"')


def _templated(folder: Path) -> Path:
    """A route that renders a template, and no plugin."""
    folder.mkdir(parents=True)
    route = {"match": {"method": "GET", "path": "/hello/{name}"}, "response": {"template": "hello.json"}}
    written = folder / "mockforge.yaml"
    written.write_text(yaml.safe_dump({"version": 1, "routes": [route], "templates": {"inline": {"hello.json": _TEMPLATED}}}))
    return written


def _quickstart(folder: Path, *, dev: bool) -> Path:
    """A copy of the example as it is, or the same outside development mode."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("target"))
    written = folder / "mockforge.yaml"
    config = yaml.safe_load(written.read_text())
    config["dev"] = dev
    written.write_text(yaml.safe_dump(config))
    return written
