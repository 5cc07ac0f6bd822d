"""Finding plugins in modules, classes and objects; describing and calling them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mockforge_plugin import Allow, AuthPlugin, DataSourcePlugin, Principal, Request, TemplatePlugin, function
from mockforge_plugin.failure import PluginError
from mockforge_plugin.operations.loading import load_plugin
from tests.support.error_envelopes import GuestError
from tests.support.native_kit_harness import NativeInstance

KIT = "from mockforge_plugin import *\n"


class Yes(AuthPlugin):
    """Lets everybody pass."""

    def authenticate(self, request: Request) -> Allow:
        return Allow(Principal(self.plugin.id))


@pytest.mark.parametrize("target", [Yes, Yes()])
def test_classes_and_objects_are_plugins(target: object) -> None:
    plugin = load_plugin(target)
    plugin.call("plugin.init", {"config": None, "plugin": {"id": "p", "version": "1"}})
    assert plugin.call("auth.authenticate", {"method": "GET", "path": "/", "headers": []}) == (
        '{"allow":{"principal":{"id":"p"},"claims":{},"set_headers":[]}}'
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", "no plugin here"),
        ("class A: pass", "no plugin here"),
        ("from mockforge_plugin import AuthPlugin", "no plugin here"),
        (
            "class A(TemplatePlugin):\n    @function\n    def f(self): ...\n@function\ndef g(): ...",
            "the function 'g' stands beside the class A, where nothing calls it. Make it a method",
        ),
        ("@function\ndef f(): ...\n@function(name='f')\ndef g(): ...", "two template functions are called 'f'. Rename one."),
        ("class A(AuthPlugin): pass", "A is an AuthPlugin and must define the method authenticate"),
        ("class A(TemplatePlugin): pass", "must mark a method with @function"),
        ("class A(ResponsePlugin):\n def generate(self, r): pass\nclass B(ResponsePlugin):\n def generate(self, r): pass", "not 2: A, B"),
        ("class A(ModifierPlugin):\n modify = 5", "must define the method modify"),
        ("from mockforge_plugin.plugin import Plugin\nclass A(Plugin): pass", "no method of a plugin"),
    ],
)
def test_a_module_without_one_plugin_is_refused(source: str, words: str) -> None:
    with pytest.raises(GuestError, match=words):
        NativeInstance(KIT + source)


def test_of_a_family_of_classes_the_last_is_the_plugin() -> None:
    source = "class A(ResponsePlugin):\n def generate(self, r): return self.who\nclass B(A):\n who = 'b'\n"
    assert "response.generate" in NativeInstance(KIT + source).describe()["ops"]


def test_several_kinds_are_one_class() -> None:
    source = (
        "class A(AuthPlugin, TemplatePlugin, DataSourcePlugin):\n def authenticate(self, r): pass\n @function\n def f(self): pass\n"
        " def query(self, query, params): return []\n"
    )
    assert NativeInstance(KIT + source).describe()["ops"] == ["auth.authenticate", "data.query", "plugin.init", "template.call"]


def test_configuration_is_there_before_init() -> None:
    plugin = NativeInstance(
        KIT + "class A(TemplatePlugin):\n def init(self):\n  self.seen = dict(self.config)\n @function\n def f(self): return self.seen\n"
    )
    plugin.call("plugin.init", {"config": {"a": 1}})
    assert plugin.call("template.call", {"function": "f", "args": [], "kwargs": {}}) == {"a": 1}


def test_a_source_is_connected_once_before_its_first_query() -> None:
    class Source(DataSourcePlugin):
        """Counts its connections."""

        opened = 0

        def connect(self) -> str:
            self.opened += 1
            return "open"

        def query(self, query: str, params: Mapping[str, Any], **options: Any) -> list[dict[str, Any]]:
            return [{"connection": self.connection, "opened": self.opened, **options}]

    plugin = load_plugin(Source)
    first = plugin.call("data.query", {"query": "q", "params": {}, "limit": 3})
    plugin.call("data.connect", {})
    assert plugin.call("data.query", {"query": "q", "params": {}, "limit": 3}) == first
    assert isinstance(first, str) and json.loads(first)["rows"] == [["open", 1, 3]]


def test_an_unknown_operation_says_what_there_is() -> None:
    with pytest.raises(PluginError, match=r"no response\.generate; it has auth\.authenticate"):
        load_plugin(Yes).call("response.generate", {})


def test_methods_behind_operations_can_be_found() -> None:
    class Both(TemplatePlugin):
        """One function."""

        @function
        def f(self) -> int:
            """One."""
            return 1

    plugin = load_plugin(Both)
    assert plugin.method("template.call", "f") is not None
    assert plugin.method("template.call", "g") is None
    assert plugin.method("response.generate") is None


def test_loading_does_not_touch_properties() -> None:
    class Lazy(Yes):
        """A property that must not be asked."""

        @property
        def dangerous(self) -> int:
            """Fails."""
            raise RuntimeError

    assert load_plugin(Lazy).describe()["endpoints"] == []
