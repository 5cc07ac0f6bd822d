"""What the auditing tools found, in a line each: `python -m scripts.audit_report PIP_AUDIT SITE_PACKAGES`. Fails for a vulnerability only.

Each tool prints JSON where it could look things up; where it could not, what it prints is told, and nothing is said about its packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
TIMEOUT_S: Final = 180


OWN: Final = "mockforge-asgi"


class Unreachable(Exception):
    """The tool could not look anything up; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a tool found: vulnerabilities in words, and packages that it could not look up."""

    vulnerable: Sequence[str] = ()
    not_looked_up: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """One tool: what it looks at, its command, and how its report is read."""

    what: str
    command: Sequence[str]
    folder: Path
    read: Callable[[Any], Report]

    def run(self) -> Report:
        """What it finds. Raises Unreachable."""
        try:
            done = subprocess.run(self.command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        except FileNotFoundError:
            raise Unreachable(f"{self.command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {TIMEOUT_S} s") from None
        return self.report(done.stdout, done.stderr)

    def report(self, printed: str, said: str) -> Report:
        """What a tool that printed this has found. Raises Unreachable."""
        try:
            return self.read(json.loads(printed))
        except (ValueError, KeyError, TypeError, AttributeError):
            lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it printed no report"]
            raise Unreachable(next((line for line in lines if "error" in line.lower()), lines[-1])[:300]) from None


def python_packages(report: Any) -> Report:
    """Of `pip-audit --format json`."""
    packages = [package for package in report["dependencies"] if package["name"] != OWN]
    skipped = [package for package in packages if "vulns" not in package]
    if len(skipped) == len(packages):
        raise Unreachable(skipped[0]["skip_reason"] if skipped else "it looked at no package")
    found = [
        f"{package['name']} {package['version']}: {entry['id']}, fixed in {', '.join(entry['fix_versions']) or 'no version'}"
        for package in packages
        for entry in package.get("vulns", ())
    ]
    return Report(found, [package["name"] for package in skipped])


def npm_packages(report: Any) -> Report:
    """Of `npm audit --json`."""
    if "vulnerabilities" not in report:
        raise Unreachable(str(report.get("message") or report.get("error") or report)[:300])
    return Report([f"{name} {entry['range']}: {entry['severity']}" for name, entry in report["vulnerabilities"].items()])


def crates(report: Any) -> Report:
    """Of `cargo audit --json`."""
    found = [(entry["package"], entry["advisory"]) for entry in report["vulnerabilities"]["list"]]
    return Report([f"{package['name']} {package['version']}: {advisory['id']} {advisory['title']}" for package, advisory in found])


def audits(pip_audit: str, site_packages: str) -> list[Audit]:
    """All that is looked at."""
    pip = [pip_audit, "--format", "json", "--progress-spinner", "off", "--timeout", "15", "--path", site_packages]
    npm = ["npm", "audit", "--json", "--package-lock-only"]
    return [
        Audit("Python packages", pip, ROOT, python_packages),
        Audit("npm packages of sdk/typescript", npm, ROOT / "sdk" / "typescript", npm_packages),
        Audit("crates of sdk/rust", ["cargo", "audit", "--json"], ROOT / "sdk" / "rust", crates),
    ]


def main(wanted: Iterable[Audit]) -> int:
    """Run them, print what came of each, and give the exit code."""
    is_bad = False
    for audit in wanted:
        try:
            report = audit.run()
        except Unreachable as error:
            print(f"audit of {audit.what}: SKIPPED, nothing was looked up: {error}")
            continue
        is_bad |= bool(report.vulnerable)
        print(
            "\n  ".join([f"audit of {audit.what}: {'VULNERABLE' if report.vulnerable else 'no known vulnerability'}", *report.vulnerable])
        )
        if report.not_looked_up:
            print(f"  SKIPPED, could not be looked up: {', '.join(report.not_looked_up)}")
    return 1 if is_bad else 0


if __name__ == "__main__":
    sys.exit(main(audits(*sys.argv[1:])))
