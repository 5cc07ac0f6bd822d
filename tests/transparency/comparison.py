"""What tests say of apps behind MockForge that they do not say of the same apps behind a wrapper that does nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from tests.transparency.suites import Outcomes, Suite

MOST_AGAIN: Final = 50
"""So many tests that differ without a reason are run once more by themselves: what depends on the machine's load differs by chance."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Tests that may differ: a pattern of their whole ids, behind which wrappers, and why."""

    suite: str
    wrappers: tuple[str, ...]
    pattern: str
    reason: str

    def covers(self, suite: str, wrapper: str, test: str) -> bool:
        """Whether it is about that test."""
        return suite == self.suite and wrapper in self.wrappers and re.fullmatch(self.pattern, test) is not None


_TRIO = "plugins need asyncio: on trio nothing is served that one of them decides about"
_READINGS = "where a path is protected, a path that servers read differently is refused"
_LIFESPAN = "an app that raises at the lifespan scope is taken for one without lifespan, as servers do"

EXPLAINED: Final = (
    Explained("starlette", ("guarded",), r".*\[trio.*", _TRIO),
    Explained("starlette", ("guarded",), r".*::(test_request_raw_path|test_staticfiles_null_byte_in_path)\[asyncio\]", _READINGS),
    Explained("starlette", ("bare", "guarded"), r".*::test_exception_in_middleware\[asyncio\]", _LIFESPAN),
    Explained("fastapi", ("guarded",), r".*::test_path_traversal_cannot_escape_directory\[.*%.*\]", _READINGS),
    Explained("fastapi", ("guarded",), r".*::test_root_file_path", _READINGS),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One suite behind one wrapper. `differing` has what each test did behind the null wrapper, and what it did here."""

    suite: str
    wrapper: str
    ended: Outcomes
    differing: dict[str, tuple[str, str]]

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(outcome == "passed" for outcome, _ in self.ended.values())

    def unexplained(self) -> dict[str, tuple[str, str]]:
        """The differences that no entry of EXPLAINED is about."""
        return {test: both for test, both in self.differing.items() if self.reason(test) is None}

    def overtaken(self) -> list[str]:
        """Patterns of EXPLAINED whose tests ran and all ended alike."""
        entries = [(entry, [test for test in self.ended if entry.covers(self.suite, self.wrapper, test)]) for entry in EXPLAINED]
        return [entry.pattern for entry, tests in entries if tests and not self.differing.keys() & set(tests)]

    def reason(self, test: str) -> str | None:
        """Why that test may differ."""
        return next((entry.reason for entry in EXPLAINED if entry.covers(self.suite, self.wrapper, test)), None)

    def __str__(self) -> str:
        head = f"{self.suite} behind {self.wrapper}: {len(self.ended)} tests, {self.passed} passed, {len(self.differing)} differ"
        reasons = Counter(reason for test in self.differing if (reason := self.reason(test)))
        lines = [f"  explained, {count}: {reason}" for reason, count in reasons.items()]
        lines += [f"  no longer differs, to be removed: {pattern}" for pattern in self.overtaken()]
        lines += [f"  UNEXPLAINED {test}\n    null: {null}\n    here: {here}" for test, (null, here) in self.unexplained().items()]
        return "\n".join([head, *lines])


def compare(suite: Suite, wrappers: Sequence[str], arguments: Sequence[str]) -> list[Compared]:
    """Run the tests behind the null wrapper and each of those named, side by side."""
    with ThreadPoolExecutor() as threads:
        null, *others = threads.map(lambda wrapper: suite.run(wrapper, arguments), ("null", *wrappers))
    return [_compared(suite, wrapper, null, outcomes) for wrapper, outcomes in zip(wrappers, others, strict=True)]


def _compared(suite: Suite, wrapper: str, null: Outcomes, here: Outcomes) -> Compared:
    found = Compared(suite.name, wrapper, here, _differing(null, here))
    doubtful = [test for test in found.unexplained() if "::" in test]
    if not doubtful or len(doubtful) > MOST_AGAIN:
        return found
    again = _differing(suite.run("null", doubtful), suite.run(wrapper, doubtful))
    return replace(found, differing={test: both for test, both in found.differing.items() if test not in doubtful or test in again})


def _differing(null: Outcomes, here: Outcomes) -> dict[str, tuple[str, str]]:
    missing = ("not run", "")
    pairs = {test: (null.get(test, missing), here.get(test, missing)) for test in {**null, **here}}
    return {test: (" ".join(one).strip(), " ".join(other).strip()) for test, (one, other) in pairs.items() if one[0] != other[0]}
