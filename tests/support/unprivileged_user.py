"""What a user without rights meets, also where the tests run as root."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="mockforge-test-") as made:
        os.chmod(made, 0o755)
        yield Path(made)


@contextmanager
def nobody() -> Iterator[None]:
    """Root is nobody for a while, and may read only what everybody may. What is imported meanwhile must have been imported before."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def owned(path: Path) -> None:
    """Give a file or folder to nobody, where the tests run as root."""
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)


def lowered(command: Sequence[str], home: Path) -> list[str]:
    """The command as nobody runs it, where the tests run as root: servers refuse root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "env", f"HOME={home}", *command]
