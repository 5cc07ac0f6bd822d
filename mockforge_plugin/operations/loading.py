"""From an author's module, class or object to the plugin that it is."""

from __future__ import annotations

import inspect
from types import ModuleType

from mockforge_plugin.failure import PluginError
from mockforge_plugin.operations.dispatch import PluginObject
from mockforge_plugin.operations.marks import ModuleFunctions, is_marked
from mockforge_plugin.plugin import Plugin

_MODULE_METHODS = (
    "validate_config",
    "init",
    "destroy",
    "start",
    "stop",
    "health",
    "authenticate",
    "capabilities",
    "can_handle",
    "generate",
    "modify",
    "connect",
    "query",
    "schema",
)


def load_plugin(target: ModuleType | type | object) -> PluginObject:
    """The plugin of a module (its one plugin class, or its functions), of a class, or of a ready object.

    Raises: PluginError when there is none, more than one, or something marked that nobody would call.
    """
    if isinstance(target, ModuleType):
        classes = _classes(target)
        if len(classes) > 1:
            names = ", ".join(c.__name__ for c in classes)
            raise PluginError(
                f"one plugin class per module, not {len(classes)}: {names}. Let one derive from several kinds instead.",
                code="invalid_config",
            )
        if not classes:
            return PluginObject(_from_functions(target))
        for name, value in vars(target).items():
            if inspect.isfunction(value) and is_marked(value) and value.__module__ == target.__name__:
                what = f"the function '{name}' stands beside the class {classes[0].__name__}, where nothing calls it"
                raise PluginError(f"{what}. Make it a method of the class.", code="invalid_config")
        return PluginObject(classes[0]())
    return PluginObject(target() if isinstance(target, type) else target)


def _classes(module: ModuleType) -> list[type]:
    """Plugin classes that the module itself defines, without those that another one of them derives from."""
    own = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Plugin) and c.__module__ == module.__name__]
    return [c for c in dict.fromkeys(own) if not any(other is not c and issubclass(other, c) for other in own)]


def _from_functions(module: ModuleType) -> object:
    target = ModuleFunctions()
    for name, value in vars(module).items():
        if inspect.isfunction(value) and (is_marked(value) or (name in _MODULE_METHODS and value.__module__ == module.__name__)):
            setattr(target, name, value)
    if not vars(target):
        raise PluginError(
            "no plugin here: derive a class from AuthPlugin, ResponsePlugin, ModifierPlugin, TemplatePlugin or "
            "DataSourcePlugin, or define functions such as authenticate(request) or generate(request)",
            code="invalid_config",
        )
    return target
