"""The worker processes of a served mock, as the system shows them."""

from __future__ import annotations

from pathlib import Path

from plugins_builtin.auth_saml.tests.mock import Mock


def workers(at: Mock) -> set[int]:
    """The processes of the mock that read XML."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == at.server.process.pid and b"worker_main" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            pass  # it has ended
    return found


def resident_mb(pid: int) -> float:
    """The memory of a process."""
    return int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * 4096 / (1 << 20)
