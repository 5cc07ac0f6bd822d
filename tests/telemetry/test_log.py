"""Log lines: what each event says, secrets left out, terminals left alone."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mockforge_asgi import events
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.telemetry.log import LEVELS, LogWriter, ServerLog, line_of, logged_events
from mockforge_asgi.text import escape

DIGEST = "sha256-" + "ab" * 32
EVENTS: list[tuple[events.Event, str, str]] = [
    (
        events.PluginLoaded(plugin="p", version="1.0.0", digest=DIGEST, runtime="python", kinds=("auth", "response"), load_s=0.0123),
        "info",
        "p 1.0.0 loaded in 12.3 ms (python, auth, response; sha256-abababababab…)",
    ),
    (events.PluginRefused(plugin="p", reason="no", kept_last_good=True), "error", "no\np: the last good version goes on answering."),
    (
        events.CallFinished(plugin="p", op="auth.authenticate", outcome="ok", wall_s=0.001, cpu_s=0.0005),
        "debug",
        "p (auth.authenticate): ok in 1.0 ms, 0.5 ms computing",
    ),
    (
        events.CallFinished(plugin="p", op="x.y", outcome="failed", wall_s=2, error="it\nbroke"),
        "error",
        "p (x.y): failed in 2.00 s\nit\nbroke",
    ),
    (events.AnswerRefused(plugin="p", op="x.y", error="p (x.y): it answered a\nb"), "error", "p (x.y): it answered a\\nb"),
    (
        events.HostCallDenied(plugin="p", host_call="secret.get", detail="'a' is not granted"),
        "warning",
        "p was denied secret.get: 'a' is not granted",
    ),
    (events.GuestLogged(plugin="p", level="warning", message="a\nb"), "warning", "p says: a\\nb"),
    (events.Compiling(what="p", size_bytes=2_000_000), "info", "compiling p (2.0 MB) …"),
    (events.Compiling(what="p", size_bytes=2_000_000, wall_s=2.0), "info", "still compiling p after 2.00 s"),
    (events.Compiling(what="p", size_bytes=2_000_000, done=True, wall_s=3.0), "info", "compiled p in 3.00 s"),
    (events.CallerDelayed(address="192.0.2.1", failures=12, wait_s=4), "warning", "192.0.2.1 waits 4 s after 12 wrong credentials"),
    (events.NameAttacked(name="a\nb", failures=100), "warning", "somebody guesses the password of a\\nb: 100 were wrong lately"),
    (events.Quarantined(plugin="p", reason="it crashes", for_s=1.5), "error", "p takes no calls for 1.5 s: it crashes"),
    (events.Recovered(plugin="p", after_s=2.25), "info", "p takes calls again, 2.25 s after it was quarantined"),
    (
        events.RequestAnswered(method="GET", path="/a\nb", status=200, answered_by="p", wall_s=0.004, principal="ada"),
        "info",
        "GET /a\\nb → 200 by p in 4.0 ms for ada",
    ),
    (
        events.RequestTraced(method="GET", path="/a", answered_by="", steps=(events.Step("plugin p", "nothing", 0.001),)),
        "debug",
        "GET /a: plugin p: nothing in 1.0 ms",
    ),
    (
        events.AuthDecided(method="GET", path="/a", rule="/**", plugins=("p",), outcome="deny", by="p", status=401, reason="a\nb"),
        "debug",
        "GET /a: deny by p: a\\nb",
    ),
]


@pytest.mark.parametrize(("event", "level", "text"), EVENTS)
def test_an_event_has_a_level_and_words(event: events.Event, level: str, text: str) -> None:
    assert line_of(event) == (level, text)


def test_every_event_of_the_product_has_words() -> None:
    kinds = [
        kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event
    ]
    samples: dict[str, Any] = {
        "str": "x",
        "float": 1.0,
        "int": 1,
        "bool": True,
        "tuple[str, ...]": ("x",),
        "str | None": None,
        "int | None": None,
    }
    samples["tuple[Step, ...]"] = (events.Step("plugin p", "allow"),)
    for kind in kinds:
        given = {name: samples[str(t)] for name, t in kind.__annotations__.items()}
        assert line_of(kind(**given))[1] != kind.__name__


def written(event: events.Event, redact: Callable[[str], str] = str, **options: Any) -> str:
    written, stream = io.StringIO(), events.EventStream(redact)
    stream.subscribe(LogWriter(written, level=options.pop("level", "debug"), **options))
    stream.emit(event)
    return written.getvalue()


@pytest.mark.parametrize("name", ["bearer", "basic", "apikey"])
def test_the_operation_of_a_plugin_named_like_a_scheme_is_told(name: str) -> None:
    event = events.CallFinished(plugin=name, op="auth.authenticate", outcome="failed", wall_s=2, error="it broke")
    assert f"{name} (auth.authenticate): failed in 2.00 s" in written(event, redact=Redactor(Secrets({})))


def test_lines_below_the_level_are_left_out() -> None:
    assert written(EVENTS[2][0], level="info") == ""
    assert written(EVENTS[0][0], level="error") == ""


def test_json_lines_carry_the_events_facts() -> None:
    line = json.loads(written(EVENTS[0][0], format="json"))
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "event": "plugin_loaded",
        "message": EVENTS[0][2],
        "plugin": "p",
        "version": "1.0.0",
        "digest": DIGEST,
        "runtime": "python",
        "kinds": ["auth", "response"],
        "load_s": 0.0123,
        "replaced": None,
    }


@pytest.mark.parametrize("format", ["text", "json"])
def test_secrets_and_control_characters_do_not_reach_the_log(format: str) -> None:
    event = events.CallFinished(
        plugin="p", op="x", outcome="failed", wall_s=1, error="key=hunter2hunter2 \x1b[2J\u202e " + "hunter2hunter2" * 900
    )
    text = written(event, format=format, redact=Redactor(Secrets({"s": "hunter2hunter2"})))
    assert "hunter2" not in text
    assert "\x1b" not in text and "\u202e" not in text and "\\u001b" in text


def test_a_line_is_bounded() -> None:
    event = events.GuestLogged(plugin="p", level="info", message="x" * 100_000)
    assert len(written(event)) < 17_000
    assert len(written(event, format="json")) < 10_000


class Redactions:
    """A redactor that counts the characters it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> str:
        """The text as it is."""
        self.texts.append(text)
        return text


LONG = "eyJ-" * 8000


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    ("event", "most"),
    [
        (events.RequestAnswered(method="GET", path="/" + LONG, status=404, answered_by="routes", wall_s=0.1), 1100),
        (events.RequestAnswered(method="M" * 30_000, path="/" + LONG, status=404, answered_by="routes", wall_s=0.1, principal=LONG), 3100),
        (events.CallFinished(plugin="p", op="o", outcome="failed", wall_s=0.1, error=LONG), 4100),
        (events.HostCallDenied(plugin="p", host_call="kv.get", detail=LONG), 4100),
        (events.AnswerRefused(plugin="p", op="o", error=LONG), 4100),
    ],
    ids=["path", "path, method and principal", "failure", "denial", "answer"],
)
def test_a_text_of_a_client_or_a_guest_is_cut_before_secrets_are_looked_for_and_that_is_done_once(
    event: events.Event, most: int, format: str
) -> None:
    redact = Redactions()
    assert "eyJ-" in written(event, redact, format=format)
    assert sum(map(len, redact.texts)) <= most
    assert all(redact.texts.count(text) == 1 for text in redact.texts)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What reaches the logger of the product, whatever the level."""
    kept: list[logging.LogRecord] = []
    logger, handler = logging.getLogger("mockforge"), logging.Handler()
    handler.emit = kept.append  # type: ignore[assignment, method-assign]
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield kept
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.mark.parametrize(("event", "level", "text"), EVENTS)
def test_an_event_is_a_record_of_the_products_logger(records: list[logging.LogRecord], event: events.Event, level: str, text: str) -> None:
    logged_events().emit(event)
    (record,) = records
    assert (record.levelname, record.getMessage()) == (level.upper(), text.replace("\n", "\n    "))
    assert vars(record)["event"] == event


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_program_does_not_log_is_not_wanted(records: list[logging.LogRecord], level: events.Level) -> None:
    stream = logged_events()
    logging.getLogger("mockforge").setLevel(level.upper())
    wanted = [wanted for wanted in LEVELS if stream.wants(events.CallFinished, wanted)]
    assert wanted == list(LEVELS[LEVELS.index(level) :])
    for event, _, _ in EVENTS:
        stream.emit(event)
    assert records and {record.levelname.lower() for record in records} <= set(wanted)


def test_a_text_entry_of_several_rows_cannot_forge_another() -> None:
    rows = written(events.PluginRefused(plugin="p", reason="a\n12:00:00 info    all is well")).splitlines()
    assert rows[1].startswith(" ")


def test_records_of_other_loggers_become_lines() -> None:
    stream = io.StringIO()
    handler = ServerLog(LogWriter(stream, format="json"))
    handler.handle(logging.LogRecord("server", logging.ERROR, __file__, 1, "port %s", (80,), None))
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["message"]) == ("error", "server", "port 80")


def test_line_breaks_and_tabs_are_kept() -> None:
    assert escape("a\n\tb\x00") == "a\n\tb\\u0000"


class NobodyReads:
    """A stream whose other end is closed."""

    def write(self, text: str) -> object:
        """As a broken pipe does."""
        raise BrokenPipeError

    def flush(self) -> object:
        """As a broken pipe does."""
        raise BrokenPipeError


def test_a_line_that_nobody_reads_fails_nothing() -> None:
    LogWriter(NobodyReads()).write("error", "lost")
