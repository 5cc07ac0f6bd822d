"""What answers a plugin's host calls while it is tried out: storage in memory, and answers from its cases in place of the world's.

The host calls themselves are the product's own, with the plugin's grants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.hostcalls.clock_random import ClockAndRandom
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices
from mockforge_asgi.plugins.testkit.cases import AnswerModel, DoorsModel
from mockforge_asgi.security.egress.request import read_spec
from mockforge_asgi.security.permissions import NetworkRule
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.sources.results import checked_result
from mockforge_asgi.state import KeySpace, StateStore

MAX_ROWS: Final = 100_000
SECRETS_PLACE: Final = "`doors.secrets` of its cases, or `--host-calls '{\"secrets\": {…}}'`"


def fake_services(doors: DoorsModel, state: StateStore, events: EventStream) -> HostServices:
    """The services that a case describes."""
    secrets = Secrets(doors.secrets)
    events.redact = Redactor(secrets)
    return HostServices(
        state=state,
        events=events,
        secrets=secrets,
        secrets_place=SECRETS_PLACE,
        sources=_Results(doors.data),
        egress=lambda rules: _Answers(doors.http, rules),
        clock_random=_clock_random(doors),
    )


async def fill(state: StateStore, plugin: str, values: Mapping[str, Json]) -> None:
    """Put values into a plugin's storage. Raises StateError."""
    space = KeySpace(state, f"plugin/{plugin}")
    for key, value in values.items():
        await space.set(key, value)


class _Anyone(ClockAndRandom):
    """The same time and chance for plugins of every kind, those that authenticate among them."""

    def for_kinds(self, kinds: object) -> ClockAndRandom:
        return self


def _clock_random(doors: DoorsModel) -> ClockAndRandom:
    made: ClockAndRandom = _Anyone()
    if doors.clock is not None:
        made = made.frozen_at(doors.clock)
    return made if doors.seed is None else made.seeded(doors.seed)


class _Answers:
    """An HTTP client under the plugin's rules, whose answers are written down."""

    def __init__(self, answers: Mapping[str, AnswerModel], rules: Sequence[NetworkRule] | None) -> None:
        from mockforge_asgi.security.egress.client import Egress  # of the http extra, which only plugins with network grants need

        self._answers, self._egress = answers, Egress(rules)

    async def request(self, payload: Mapping[str, Json]) -> Json:
        """The answer for its method and URL. Raises HostCallError."""
        spec = read_spec(payload, max_body_bytes=self._egress.limits.max_request_bytes)
        self._egress.rule_for(spec.target)
        found = next((self._answers[key] for key in (f"{spec.method} {payload['url']}", f"{spec.method} {spec.target.url}")
                      if key in self._answers), None)  # fmt: skip
        if found is None:
            raise HostCallError(
                "unavailable", f"doors.http (of its cases, or of --host-calls) has no answer for '{spec.method} {payload['url']}'"
            )
        _raise_error(found.model_dump(include={"error"}, exclude_none=True))
        headers = [list(pair) for pair in found.headers.items()] if isinstance(found.headers, dict) else found.headers
        return {"status": found.status, "headers": headers, "body": {"text": ""} if found.body is None else found.body.document}

    async def close(self) -> None:
        """Nothing is open but what never connected."""
        await self._egress.close()


class _Results:
    """Data sources that give what is written down. `pages` are several results, and `cursors` say which of them a cursor means."""

    def __init__(self, results: Mapping[str, Json]) -> None:
        self._results = results

    async def query(
        self,
        source: str,
        query: str,
        params: Mapping[str, Json],
        *,
        limit: int | None,
        cursor: str | None,
        count: bool,
        asker: str,
        raw: bool,
        max_values: int | None,
    ) -> Json:
        """The result of its name. Raises HostCallError."""
        found = self._results.get(f"{source}/{query}")
        if found is None:
            raise HostCallError("not_found", f"doors.data (of its cases, or of --host-calls) has no result for '{source}/{query}'")
        if isinstance(pages := found.get("pages"), list):
            page = (found.get("cursors") or {"": 0}).get(cursor or "")
            if type(page) is not int or not 0 <= page < len(pages):
                raise HostCallError("invalid_input", "this cursor is not of this query")
            found = pages[page]
        _raise_error(found)
        return checked_result(source, found, min(limit or MAX_ROWS, MAX_ROWS))

    def changed(self, plugin: str) -> None:
        """Nothing is cached."""


def _raise_error(found: Json) -> None:
    error = found.get("error") if isinstance(found, Mapping) else None
    if isinstance(error, Mapping):
        raise HostCallError(
            str(error.get("code", "unavailable")), str(error.get("message", "")), retryable=error.get("retryable") is True,
            details=error.get("details") or {},
        )  # fmt: skip
