"""A found vulnerability fails the audit; a database that cannot be reached is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scripts.audit_report import Audit, Report, Unreachable, audits, crates, main, npm_packages, python_packages

PIP = {
    "dependencies": [
        {"name": "mockforge-asgi", "skip_reason": "editable"},
        {"name": "jinja2", "version": "3.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1"], "aliases": [], "description": ""}]},
        {"name": "click", "version": "8.1", "vulns": []},
        {"name": "inner", "skip_reason": "Dependency not found on PyPI"},
    ]
}
NPM = {"vulnerabilities": {"jco": {"name": "jco", "severity": "high", "range": "<2"}}, "metadata": {}}
CARGO = {
    "vulnerabilities": {
        "found": True,
        "list": [{"advisory": {"id": "RUSTSEC-1", "title": "overflow"}, "package": {"name": "serde", "version": "1.0.0"}}],
    }
}


def printing(printed: object, read: object = python_packages, said: str = "") -> Audit:
    """A tool that prints that."""
    text = printed if isinstance(printed, str) else json.dumps(printed)
    program = f"import sys; sys.stdout.write({text!r}); sys.stderr.write({said!r}); sys.exit(1)"
    return Audit("packages", [sys.executable, "-c", program], Path(), read)  # type: ignore[arg-type]  # one of the three readers


def test_what_each_tool_reports_is_read() -> None:
    assert python_packages(PIP) == Report(["jinja2 3.0: PYSEC-1, fixed in 3.1"], ["inner"])
    assert npm_packages(NPM) == Report(["jco <2: high"])
    assert crates(CARGO) == Report(["serde 1.0.0: RUSTSEC-1 overflow"])
    assert crates({"vulnerabilities": {"found": False, "list": []}}) == npm_packages({"vulnerabilities": {}}) == Report([])


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        (printing("", said="Traceback\nConnectionError: no such host\nmore"), "ConnectionError: no such host"),
        (printing("[]", said="nothing"), "nothing"),
        (printing({"dependencies": [{"name": "a", "skip_reason": "not found"}]}), "not found"),
        (printing({"dependencies": []}), "it looked at no package"),
        (printing({"message": "405 Method Not Allowed"}, npm_packages), "405 Method Not Allowed"),
        (printing("", crates, "error: no such command: `audit`\nhelp: install it"), "error: no such command"),
        (Audit("packages", ["/no/such/tool"], Path(), crates), "/no/such/tool is not installed"),
    ],
)
def test_a_database_that_is_not_reached_is_told_and_fails_nothing(audit: Audit, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unreachable, match=reason):
        audit.run()
    assert main([audit]) == 0
    assert f"audit of packages: SKIPPED, nothing was looked up: {reason}" in capsys.readouterr().out


def test_a_vulnerability_fails_and_what_was_not_looked_up_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([printing({"vulnerabilities": {}}, npm_packages), printing(PIP)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "audit of packages: no known vulnerability",
        "audit of packages: VULNERABLE",
        "  jinja2 3.0: PYSEC-1, fixed in 3.1",
        "  SKIPPED, could not be looked up: inner",
    ]


def test_every_lock_file_is_looked_at() -> None:
    folders = {audit.folder for audit in audits("pip-audit", "site")}
    assert all(
        (folder / name).exists()
        for folder in folders
        for name in {"typescript": ["package-lock.json"], "rust": ["Cargo.lock"]}.get(folder.name, [])
    )
    assert {folder.name for folder in folders} >= {"typescript", "rust"}
