"""Runs other people's test suites behind MockForge: `scripts/transparency [starlette|fastapi] [pytest arguments]`.

Each suite runs behind a wrapper that does nothing, behind a bare MockForge, and behind one that guards every path; each test must end
alike. The exit status is 0 where it does or the difference is explained, 1 where not, 2 where a suite cannot be had.
"""

from __future__ import annotations

import sys

from tests.transparency.comparison import compare
from tests.transparency.suites import SUITES, Unavailable, chosen

WRAPPERS = ("bare", "guarded")


def main(arguments: list[str]) -> int:
    """Run what the command line says."""
    names = [arguments.pop(0)] if arguments[:1] and arguments[0] in SUITES else list(SUITES)
    unexplained = 0
    for suite in (SUITES[name] for name in names):
        try:
            suite.fetch()
        except Unavailable as error:
            print(f"scripts/transparency: {error}", file=sys.stderr)
            return 2
        for result in compare(suite, WRAPPERS, chosen(suite, arguments)):
            print(result, flush=True)
            unexplained += len(result.unexplained())
    print(f"{unexplained} unexplained" if unexplained else "no unexplained difference")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
