"""The developer's own objects in a mount: their template functions are called by name, and a shared runtime holds them."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client
from mockforge_plugin import TemplatePlugin, function

CONFIG = {
    "version": 1,
    "routes": [{"match": {"path": "/hi"}, "response": {"template_text": "{{ loud_words.shout('hi') }}"}}],
}


class LoudWords(TemplatePlugin):
    """Shouts."""

    @function
    def shout(self, text: str) -> str:
        """The text, louder."""
        return text.upper() + "!"


async def test_templates_call_the_developers_own_functions() -> None:
    async with Client(MockForge(config=CONFIG, plugins=[LoudWords()])) as client:
        assert (await client.get("/hi")).text == "HI!"


async def test_two_mounts_share_a_runtime_that_holds_them() -> None:
    runtime = PluginRuntime(CONFIG, plugins=[LoudWords()])
    async with Client(MockForge(runtime=runtime)) as one, Client(MockForge(runtime=runtime)) as two:
        assert [(await c.get("/hi")).text for c in (one, two)] == ["HI!", "HI!"]


def test_plugins_beside_a_shared_runtime_are_refused() -> None:
    with pytest.raises(ConfigError, match="shared runtime"):
        MockForge(runtime=PluginRuntime(CONFIG), plugins=[LoudWords()])
