"""`mockforge serve` as a real process: it listens, answers, follows edits, stops, and refuses in words."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mockforge_asgi.cli.serve import bind
from mockforge_asgi.errors import ConfigError
from tests.support.plugin_packages import FILES, MANIFEST, folder

SCRIPT = Path(sys.executable).with_name("mockforge")
ROUTE = "version: 1\nroutes: [{match: {method: GET, path: %s}, response: {json: {status: ok}}}]\n"


WAITING = """\
manifest_version: 1
id: waiting
version: 1.0.0
contract: "0.1"
kinds: [response]
runtime: python
entry: plugin.py
permissions: {network: {allow: ["http://*"], reason: asks}}
limits: {timeout_ms: 30000}
"""
ASKS = """\
from mockforge_plugin import ResponsePlugin, http

class Waiting(ResponsePlugin):
    async def generate(self, request):
        answer = await http.get("http://127.0.0.1:PORT/")
        return {"status": answer.status}
"""


class Served:
    """A running `mockforge serve` that has printed where it listens. Killed at the end of the test, whatever came of it."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [str(SCRIPT), "serve", "--port", "0", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self.banner: list[str] = []
        self.url = ""

    def until_it_listens(self) -> Served:
        """Read what it prints, up to the route /a."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.banner.append(line.rstrip("\n"))
            if "/a" in line:
                break
        found = re.search(r"Listening on (\S+)", "\n".join(self.banner))
        assert found, self.process.communicate()[1]
        self.url = found[1]
        return self

    def get(self, path: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def stop(self, sign: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(sign)
        return self.end()

    def end(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


class Serve(Protocol):
    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Served: ...


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mockforge.yaml").write_text(ROUTE % "/a")
    return tmp_path


@pytest.fixture
def begin(place: Path) -> Iterator[Serve]:
    """Starts `mockforge serve` in the place, without waiting for it."""
    begun: list[Served] = []

    def serves(*arguments: str, env: Mapping[str, str] | None = None) -> Served:
        begun.append(Served(place, *arguments, env=env))
        return begun[-1]

    yield serves
    for served in begun:
        if served.process.poll() is None:
            served.process.kill()
        served.process.communicate()


@pytest.fixture
def serve(begin: Serve) -> Serve:
    """Starts it and waits until it listens."""
    return lambda *arguments, env=None: begin(*arguments, env=env).until_it_listens()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A loopback socket that a plugin may ask; the test accepts and answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


def asking(place: Path, peer: socket.socket, stop_timeout_s: int) -> None:
    """A plugin behind /wait that asks the peer."""
    port = peer.getsockname()[1]
    folder(place, {"plugin.yaml": WAITING, "plugin.py": ASKS.replace("PORT", str(port))}, name="waiting")
    grants = f"{{network: [{{allow: 'http://127.0.0.1:{port}', private: true}}]}}"
    text = (ROUTE % "/a").replace("}}]", "}}, {match: {path: /wait}, response: {plugin: waiting}}]")
    (place / "mockforge.yaml").write_text(
        f"{text}plugins: {{waiting: {{use: ./waiting, grants: {grants}}}}}\nserver: {{stop_timeout_s: {stop_timeout_s}}}\n"
    )


def asked(served: Served, got: list[object]) -> threading.Thread:
    """A client that asks for /wait in a thread of its own."""

    def ask() -> None:
        try:
            got.append(served.get("/wait"))
        except OSError as error:
            got.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def key_pair(place: Path, *, secret: bytes = b"") -> tuple[str, str]:
    """A key and its own certificate, in PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    lock = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    number = len(list(place.glob("*.pem")))
    (place / f"k{number}.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    (place / f"c{number}.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return f"k{number}.pem", f"c{number}.pem"


def refusal(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(SCRIPT), "serve", *arguments], cwd=place, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Listening" not in done.stdout
    return done.stderr


def test_it_answers_and_stops_in_order(serve: Serve) -> None:
    served = serve()
    assert served.get("/a") == (200, b'{"status":"ok"}')
    assert any(line.split() == ["GET", f"{served.url}/a", "json"] for line in served.banner)
    code, err = served.stop()
    assert code == 0
    assert "GET /a → 200" in err and "Traceback" not in err


def test_sigterm_stops_it_too(serve: Serve) -> None:
    served = serve()
    assert served.get("/a")[0] == 200
    assert served.stop(signal.SIGTERM)[0] in (0, -signal.SIGTERM)


def test_a_call_that_waits_is_let_end(place: Path, begin: Serve, peer: socket.socket) -> None:
    asking(place, peer, stop_timeout_s=60)
    served = begin().until_it_listens()
    got: list[object] = []
    client = asked(served, got)
    called, _ = peer.accept()
    with called:
        served.process.send_signal(signal.SIGTERM)
        with pytest.raises(OSError):
            while True:  # until it takes no more connections
                socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))).close()
        called.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        client.join(60)
    assert got == [(200, b'{"status":204}')]
    code, err = served.end()
    assert code in (0, -signal.SIGTERM) and "Traceback" not in err


def test_a_call_that_waits_too_long_is_ended(place: Path, begin: Serve, peer: socket.socket) -> None:
    asking(place, peer, stop_timeout_s=0)
    served = begin().until_it_listens()
    got: list[object] = []
    client = asked(served, got)
    called, _ = peer.accept()
    with called:
        code, err = served.stop()
        client.join(60)
    assert code == 0 and len(got) == 1 and got[0] != (200, b'{"status":204}')
    assert "timeout graceful shutdown exceeded" in err and "Traceback" not in err


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_does_not_wait_for_what_is_being_compiled(place: Path, begin: Serve, sign: signal.Signals) -> None:
    folder(place)
    grants = "{request: {headers: [x-api-key]}, secrets: [api_keys]}"
    (place / "mockforge.yaml").write_text(
        f"{ROUTE % '/a'}secrets: {{api_keys: {{value: k}}}}\nplugins: {{c: {{use: ./hello_auth, grants: {grants}}}}}\n"
    )
    served = begin(env={"XDG_CACHE_HOME": str(place / "cache")})
    assert served.process.stderr is not None and "compiling" in served.process.stderr.readline()
    served.process.send_signal(sign)
    out, err = served.process.communicate(timeout=60)
    assert served.process.returncode in (0, -signal.SIGTERM)
    assert out == "" and "compiled" not in err and "Traceback" not in err


@pytest.mark.parametrize("arguments", [(), ("--reload",)])
def test_it_serves_on_when_nobody_reads_what_it_prints(place: Path, arguments: tuple[str, ...]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen([str(SCRIPT), "serve", "--port", str(port), *arguments], cwd=place, stdout=writing, stderr=writing)
    os.close(writing)
    try:
        url = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            try:
                assert urllib.request.urlopen(f"{url}/a", timeout=30).status == 200
                break
            except urllib.error.URLError:
                continue
        (place / "mockforge.yaml").write_text(ROUTE % "/a" + "protect: []\n")
        assert urllib.request.urlopen(f"{url}/a", timeout=30).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_tls_is_served(place: Path, serve: Serve) -> None:
    key, certificate = key_pair(place)
    served = serve("--ssl-keyfile", key, "--ssl-certfile", certificate)
    assert served.url.startswith("https://")
    trusting = ssl.create_default_context(cafile=str(place / certificate))
    trusting.check_hostname = False
    assert served.get("/a", trusting) == (200, b'{"status":"ok"}')


def test_json_logs_are_json(serve: Serve) -> None:
    served = serve("--log-format", "json")
    served.get("/a")
    lines = [json.loads(line) for line in served.stop()[1].splitlines()]
    assert [(line["event"], line["path"], line["status"]) for line in lines if "path" in line] == [("request_answered", "/a", 200)]


def test_an_edit_under_reload_holds_from_the_next_request_on(place: Path, serve: Serve) -> None:
    served = serve("--reload")
    assert served.get("/a")[0] == 200
    (place / "mockforge.yaml").write_text(ROUTE % "/longer")
    assert served.get("/longer")[0] == 200
    (place / "mockforge.yaml").write_text("version: 1\nrutes: []\n")
    assert served.get("/longer")[0] == 200
    code, err = served.stop()
    assert code == 0
    assert "mockforge.yaml:2 rutes: the key 'rutes' is not known. Did you mean 'routes'?" in err
    assert "The last good configuration stays in use." in err


def test_workers_share_one_socket(serve: Serve) -> None:
    served = serve("--workers", "2")
    assert {served.get("/a") for _ in range(5)} == {(200, b'{"status":"ok"}')}
    assert served.stop(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_plugin_that_does_not_start_is_told_and_nothing_is_said_to_listen(place: Path, workers: str) -> None:
    folder(place, {"plugin.yaml": MANIFEST, "plugin.py": FILES["plugin.py"] + "\nraise LookupError('not today')\n"})
    grants = "{request: {headers: [x-api-key]}, secrets: [api_keys]}"
    (place / "mockforge.yaml").write_text(
        f"{ROUTE % '/a'}secrets: {{api_keys: {{value: k}}}}\nplugins: {{c: {{use: ./hello_auth, grants: {grants}}}}}\n"
    )
    done = subprocess.run(
        [str(SCRIPT), "serve", "--port", "0", "--workers", workers], cwd=place, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "LookupError: not today" in done.stderr and 'File "plugin.py"' in done.stderr


def test_a_port_in_use_is_told_in_words(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = refusal(place, "--port", str(port))
    assert f"port {port} on 127.0.0.1 is in use by another program" in words


def test_workers_are_refused_where_state_is_kept_in_memory(place: Path) -> None:
    (place / "mockforge.yaml").write_text((ROUTE % "/a") + "plugins: {c: {use: ./c, grants: {kv: true}}}\n")
    assert "url: sqlite:///mockforge-state.db" in refusal(place, "--workers", "2")


def test_reload_runs_in_one_worker(place: Path) -> None:
    assert "runs in one worker" in refusal(place, "--workers", "2", "--reload")


def test_development_mode_of_the_file_runs_in_one_worker_too(place: Path) -> None:
    (place / "mockforge.yaml").write_text((ROUTE % "/a") + "dev: true\nserver: {workers: 2}\n")
    assert "`dev: true` in the file" in refusal(place)


def test_half_a_key_pair_is_refused(place: Path) -> None:
    assert "TLS needs both" in refusal(place, "--ssl-keyfile", "k.pem")


def test_a_missing_certificate_is_told(place: Path) -> None:
    assert "there is no file 'k.pem'" in refusal(place, "--ssl-keyfile", "k.pem", "--ssl-certfile", "c.pem")


def test_a_certificate_that_does_not_fit_its_key_is_told(place: Path) -> None:
    key, certificate = key_pair(place)[0], key_pair(place)[1]
    words = refusal(place, "--ssl-keyfile", key, "--ssl-certfile", certificate)
    assert f"TLS cannot use the certificate '{certificate}' with the key '{key}'" in words and "MISMATCH" in words


def test_an_encrypted_key_is_told_and_no_pass_phrase_asked_for(place: Path) -> None:
    key, certificate = key_pair(place, secret=b"phrase")
    assert "without a pass phrase" in refusal(place, "--ssl-keyfile", key, "--ssl-certfile", certificate)


def test_every_plugin_that_cannot_be_loaded_is_told_before_it_listens(place: Path) -> None:
    (place / "mockforge.yaml").write_text((ROUTE % "/a") + "plugins: {c: {use: ./c}, d: {use: ./d}}\n")
    words = refusal(place)
    assert "./c: is neither a folder nor a file" in words and "./d: is neither a folder nor a file" in words


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "a..b"])
def test_an_address_of_another_machine_is_told_in_words(host: str) -> None:
    with pytest.raises(ConfigError, match="is not an address of this machine"):
        bind(host, 0)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST"])
def test_localhost_is_both_loopback_addresses_on_one_port(host: str) -> None:
    bound = bind(host, 0)
    try:
        places = [each.getsockname()[:2] for each in bound]
        assert [address for address, _ in places] == ["127.0.0.1", "::1"][: len(places)] and len({port for _, port in places}) == 1
        assert len(places) == 2 or not _has_ipv6()
        for place in places:
            socket.create_connection(place, timeout=5).close()
    finally:
        for each in bound:
            each.close()


def test_a_port_that_is_in_use_in_one_family_is_not_had_by_half() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="in use by another program"):
            bind("localhost", taken.getsockname()[1])


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as made:
            made.bind(("::1", 0))
    except OSError:
        return False
    return True


DATED = """version: 1
routes:
- {match: {path: /a}, response: {text: hi}}
- {match: {path: /dated}, response: {text: hi, headers: {date: "Tue, 15 Nov 1994 08:12:31 GMT"}}}
"""


@pytest.mark.parametrize("path", ["/a", "/dated", "/nothing"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_answer_has_one_date(begin: Serve, place: Path, path: str, host: str) -> None:
    (place / "mockforge.yaml").write_text(DATED)
    url = urllib.parse.urlsplit(begin("--host", host).until_it_listens().url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 0, timeout=30)
    try:
        connection.request("GET", path)
        dates = connection.getresponse().headers.get_all("date") or []
    finally:
        connection.close()
    assert len(dates) == 1 and parsedate_to_datetime(dates[0]) and (dates[0].startswith("Tue, 15 Nov 1994") == (path == "/dated"))


def told(served: Served, headers: Mapping[str, str]) -> str:
    with urllib.request.urlopen(urllib.request.Request(served.url + "/a", headers=dict(headers)), timeout=30) as answer:
        return str(answer.read().decode())


def test_only_trusted_proxies_say_where_a_request_comes_from(place: Path, serve: Serve) -> None:
    route = "version: 1\nroutes: [{match: {path: /a}, response: {template_text: '{{ request.client }} {{ request.scheme }}'}}]\n"
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https", "Forwarded": "for=198.51.100.9;proto=https"}
    (place / "mockforge.yaml").write_text(route)
    assert told(serve(env={"FORWARDED_ALLOW_IPS": "*"}), headers) == "127.0.0.1 http"
    (place / "mockforge.yaml").write_text(route + "trusted_proxies: [127.0.0.1]\n")
    assert told(serve(), headers) == "203.0.113.7 https"
    (place / "mockforge.yaml").write_text(route + "trusted_proxies: {networks: ['127.0.0.0/8'], header: forwarded}\n")
    assert told(serve(), headers) == "198.51.100.9 https"
