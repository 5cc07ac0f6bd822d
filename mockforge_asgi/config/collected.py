"""Faults: what several steps refuse, told together."""

from __future__ import annotations

from types import TracebackType

from mockforge_asgi.errors import ConfigError, Problem


class Faults:
    """Used as `with faults:` around each step: a ConfigError ends the step, and `refuse` raises all of them as one."""

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        if not isinstance(error, ConfigError):
            return False
        self.errors.append(error)
        return True

    def refuse(self) -> None:
        """Raise what was refused, if anything was."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            problems = [problem for error in self.errors for problem in error.problems or (Problem("configuration", str(error)),)]
            raise ConfigError("the configuration cannot be used:", problems)
