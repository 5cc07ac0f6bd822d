"""What is public, name by name: who changes it sees it here, says so in the changelog, and in docs/reference/api.md."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"
PUBLIC = {
    "mockforge_asgi": "AuthMiddleware MockForge PluginRuntime ResponseMiddleware TemplateMiddleware __version__",
    "mockforge_asgi.contract": """
        CONTRACT ERROR_CODES KINDS NOTHING OPS OPTIONAL_OPS Allow BodyReader Decision Deny Description FunctionMetadata HostCalls
        Json Lease Parameter PluginHost Principal Reply watched
    """,
    "mockforge_asgi.errors": """
        ClientDisconnected ConfigError HostCallError LimitExceeded MockForgeError PluginCrashed PluginFailed PluginRejected
        PluginUnavailable Problem RequestRejected SourceFailed StateError TemplateFailed UnsupportedEventLoop UnsupportedPlatform
    """,
    "mockforge_asgi.testing": """
        Case Client Conversation Difference Harness OidcClient OidcProvider Outcome Response SamlProvider Server Verdict
    """,
}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_gives_just_its_public_names(name: str) -> None:
    assert sorted(import_module(name).__all__) == sorted(PUBLIC[name].split())


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    module = import_module(name)
    assert module.__doc__
    for public in module.__all__:
        value = getattr(module, public)
        assert not inspect.isclass(value) or value.__doc__, public


def test_every_error_is_public() -> None:
    errors = import_module("mockforge_asgi.errors")
    found = {n for n, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.MockForgeError) and n[0] != "_"}
    assert found <= set(errors.__all__)


def test_the_page_names_what_is_public() -> None:
    text = PAGE.read_text()
    shown = set(re.findall(r"^::: ([\w.]+)", text, re.MULTILINE))
    assert {f"mockforge_asgi.{part}" for part in ("contract", "errors", "testing")} <= shown
    own = set(import_module("mockforge_asgi").__all__) - {"__version__"}
    assert {f"mockforge_asgi.{name}" for name in own} <= shown
    words = set(re.findall(r"`(\w+)`", text))
    assert {name for part in ("mockforge_asgi", "mockforge_asgi.testing") for name in PUBLIC[part].split()} <= words


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_not_there_is_said(name: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        import_module(name).no_such_name  # noqa: B018
