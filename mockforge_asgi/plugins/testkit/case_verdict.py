"""What came of a case, held against what the case expects. What runs it is `harness.py`."""

from __future__ import annotations

from dataclasses import dataclass

from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.contract import Json
from mockforge_asgi.plugins.testkit.cases import Case
from mockforge_asgi.plugins.testkit.diff import agrees, as_expected
from mockforge_asgi.plugins.testkit.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Difference:
    """What was expected, and what came. `what` is the part of the case that they are about."""

    what: str
    expected: Json
    got: Json


@dataclass(frozen=True, slots=True)
class Verdict:
    """One case, what came of it, and what is wrong with that; `differs` None: nothing. `place` is where it is written."""

    case: Case
    place: str
    outcome: Outcome | None
    differs: Difference | None

    @property
    def place_of_change(self) -> Path:
        """The place of the value that would have to be what came; () where another value would not do."""
        case, outcome, differs = self.case, self.outcome, self.differs
        if differs is None or outcome is None or differs.what == "has" or (case.kind == "error") != (outcome.error is not None):
            return ()
        return (*case.path, differs.what)


def difference(case: Case, outcome: Outcome) -> Difference | None:
    """What came of a case otherwise than it says."""
    expected, got = case.expected, outcome.answer
    if (case.kind == "error") != (outcome.error is not None):
        return Difference(case.kind, expected, {"out": got} if outcome.error is None else {"error": dict(outcome.error)})
    if outcome.error is not None:
        got = {key: outcome.error.get(key) for key in expected}
    else:
        if case.op == "auth.authenticate":
            expected, got = brief(expected), brief(got)
        got = as_expected(expected, got, partial=case.kind == "has")
    if not agrees(expected, got):
        return Difference(case.kind, expected, got)
    if case.logged is not None and case.logged != outcome.log:
        return Difference("logged", *([{"level": level, "message": text} for level, text in lines] for lines in (case.logged, outcome.log)))
    return None


def brief(decision: Json) -> Json:
    """A decision of an auth plugin without the parts that may be left out and are empty."""
    if not isinstance(decision, dict):
        return decision
    return {key: _filled({**part, **_principal(part)}) if isinstance(part, dict) else part for key, part in decision.items()}


def _principal(part: dict[str, Json]) -> dict[str, Json]:
    return {"principal": _filled(part["principal"])} if isinstance(part.get("principal"), dict) else {}


def _filled(part: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in part.items() if value not in ({}, [], None)}
