"""The `mockforge` command. Each command is a shell: parse, call one library function, print."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from mockforge_asgi.cli.commands import mockforge

    mockforge(prog_name="mockforge")
