"""What the commands print: errors, tables, summaries; and where a command finds its configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mockforge_asgi.config.objects import Config, ProtectRule, Requirement
from mockforge_asgi.errors import ConfigError, MockForgeError, Problem
from mockforge_asgi.text import escape

if TYPE_CHECKING:
    from mockforge_asgi.auth.rules import Protection
    from mockforge_asgi.plugins.consistency import CheckReport
    from mockforge_asgi.plugins.package.manifest import Manifest
    from mockforge_asgi.plugins.package.static_checks import Validation

CONFIG_FILE: Final = "mockforge.yaml"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_STARTER = f"""there is no {CONFIG_FILE} in this folder. Name a file, or make one that begins like this:

    version: 1
    routes:
      - {{match: {{method: GET, path: /hello}}, response: {{json: {{hello: world}}}}}}"""


class Command(click.Command):
    """A command whose known errors end it with their words and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except MockForgeError as error:
            click.echo(f"mockforge: {escape(str(error))}", err=True)
            raise SystemExit(1) from None


class Group(click.Group):
    """A group that suggests the nearest command for an unknown one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was meant."""
        if args and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(self.list_commands(ctx))}."
            raise click.UsageError(f"there is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


def config_file(given: str | None) -> str:
    """The configuration file that is meant; for a folder, the one in it. Raises ConfigError that says how to make one."""
    if given is not None:
        return os.path.join(given, CONFIG_FILE) if os.path.isdir(given) else given
    if Path(CONFIG_FILE).is_file():
        return CONFIG_FILE
    raise ConfigError(_STARTER)


def warning_lines(warnings: Iterable[Problem]) -> list[str]:
    """Warnings, one a line."""
    return [escape(f"warning: {warning}") for warning in warnings]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns lined up; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def plugin_table(config: Config, report: CheckReport) -> str:
    """The plugins of a configuration, and for each that cannot be loaded, why."""
    if not config.plugins:
        return "This configuration has no plugins."
    rows = [("NAME", "ID", "VERSION", "RUNTIME", "KINDS", "STATE", "DIGEST")]
    for name, use in config.plugins.items():
        authorization = report.authorized.get(name)
        if authorization is None:
            rows.append((name, "", "", "", "", "refused" if use.enabled else "disabled", ""))
            continue
        manifest = authorization.manifest
        kinds = ", ".join(sorted(manifest.kinds))
        rows.append((name, manifest.id, manifest.version, manifest.runtime, kinds, "ok", authorization.package.digest))
    return escape("\n".join([table(rows), *_endpoints(config, report), *(f"\n{error}" for error in report.refused.values())]))


def guard(methods: Iterable[str], path: str, protection: Protection) -> str:
    """Who guards a path, in words; by method where that differs."""
    held: dict[str, list[str]] = {}
    for method in methods or _METHODS:
        rule = protection.rule_for(method, path)
        words = _who_may(rule) if rule else ""
        held.setdefault(words, []).append(method)
    if len(held) == 1:
        return next(iter(held))
    return "; ".join(f"{words} ({'|'.join(those)})" for words, those in held.items() if words)


def _who_may(rule: ProtectRule) -> str:
    needed = f" with {_required(rule.require)}" if rule.require else ""
    return f"{'optional' if rule.mode == 'optional' else 'needs'} {', '.join(rule.auth)}{needed}"


def _required(require: Requirement) -> str:
    parts = [f"role {', '.join(require.roles)}"] * bool(require.roles) + [f"scope {', '.join(require.scopes)}"] * bool(require.scopes)
    if require.any:
        parts.append("one of (" + "; ".join(map(_required, require.any)) + ")")
    return " and ".join(parts)


def endpoint_rows(config: Config, report: CheckReport, url: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every endpoint of the plugins: methods, path, whose it is, and who guards it."""
    from mockforge_asgi.auth.endpoints import public_plugins
    from mockforge_asgi.auth.rules import Protection

    protection, public = Protection(config.protect), public_plugins(config)
    for name, authorization in report.authorized.items():
        for endpoint in authorization.manifest.endpoints:
            path = (authorization.use.prefix or f"/{name}").rstrip("/") + endpoint.path
            words = "public: before auth" if name in public else guard(endpoint.methods, path, protection)
            yield "|".join(sorted(endpoint.methods)) or "ANY", f"{url}{path}", f"endpoint of {name}", words


def _endpoints(config: Config, report: CheckReport) -> list[str]:
    rows = list(endpoint_rows(config, report))
    return ["\n" + table([("METHOD", "PATH", "WHAT", "WHO MAY"), *rows])] if rows else []


def report_text(config: Config, report: CheckReport) -> str:
    """What `mockforge check` says."""
    if report.refused:
        return escape("\n".join(str(error) for error in report.refused.values()))
    plugins = ", ".join(f"{name} {a.manifest.version}" for name, a in report.authorized.items()) or "none"
    fine = f"{config.places.name} is fine. Routes: {len(config.routes)}. Plugins: {plugins}."
    return escape("\n".join([fine, *_endpoints(config, report)]))


def _needs(manifest: Manifest) -> str:
    """The modules that must be installed, and which are not."""
    wanted, missing = manifest.requires, manifest.requires.missing
    if not wanted.modules:
        return ""
    absent = f"; not installed: {', '.join(missing)}. {wanted.remedy}" if missing else ""
    return f"{', '.join(wanted.modules)}{f' (extra {wanted.extra})' if wanted.extra else ''}{absent}"


def validation_text(validation: Validation) -> str:
    """What `mockforge plugin validate` says of a plugin without faults."""
    package, manifest = validation.package, validation.package.manifest
    limits = manifest.limits
    size = sum(map(len, package.files.values()))
    lines = [
        f"{manifest.id} {manifest.version} is fine.",
        f"  {', '.join(sorted(manifest.kinds))}; runtime {manifest.runtime}; entry {manifest.entry.file}",
        f"  {len(package.files)} files, {size} bytes, {package.digest}",
        *([f"  needs: {needs}"] if (needs := _needs(manifest)) else []),
        f"  limits: {limits.memory_mb} MiB, {limits.cpu_ms} ms computing, {limits.timeout_ms} ms in all, {limits.output_kb} KiB of output",
        "  asks for:" if validation.asks else "  asks for nothing",
        *(f"    {ask}" for ask in validation.asks),
    ]
    return escape("\n".join(lines))
