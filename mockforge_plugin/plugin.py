"""What an author derives from: one base class per kind, and the marks for template functions and endpoints.

A plugin of several kinds derives from several. Every method may be `def` or `async def`. A module with functions of the same
names (`def authenticate(request)`) is a plugin too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from mockforge_plugin.request import Answer, Request
from mockforge_plugin.tables import DataResult, Table
from mockforge_plugin.values import Decision, Health, Json, PluginInfo, Response

F = TypeVar("F", bound=Callable[..., Any])

FUNCTION_MARK = "__mockforge_function__"
PROVIDER = "faker"
ENDPOINT_MARK = "__mockforge_endpoint__"
_OPTIONAL = "__mockforge_optional__"


def _optional(method: F) -> F:
    """A method that counts as implemented only when a subclass defines it."""
    setattr(method, _OPTIONAL, True)
    return method


def is_implemented(method: object) -> bool:
    """Whether an author wrote this method, rather than inherited it from the kit."""
    return callable(method) and not getattr(method, _OPTIONAL, False)


class Plugin:
    """What all kinds share: configuration and lifecycle. Derive from the kinds, not from this."""

    config: Mapping[str, Json] = {}
    """The validated configuration; set before `init`."""

    plugin: PluginInfo = PluginInfo()
    """The plugin's own id and version; set before `init`."""

    @_optional
    def validate_config(self, config: Mapping[str, Json]) -> Any:
        """What is wrong with the configuration: None, or problems, each a str or a (path, message) pair."""

    @_optional
    def init(self) -> Any:
        """Prepare this instance from `self.config`. No network."""

    @_optional
    def destroy(self) -> Any:
        """Undo `init`."""

    @_optional
    def start(self) -> Any:
        """Once per plugin generation, in one designated instance; leave data for the others in `kv`."""

    @_optional
    def stop(self) -> Any:
        """Once per plugin generation, at its end."""

    @_optional
    def health(self) -> Health | str | Any | None:
        """How the plugin is; None means ok."""


class AuthPlugin(Plugin):
    """Decides who may pass."""

    @_optional
    def authenticate(self, request: Request) -> Decision | Any:
        """`Allow`, `Deny`, `Reply`, or None when the request carries nothing of this plugin's."""
        raise NotImplementedError

    @_optional
    def capabilities(self) -> Mapping[str, Json]:
        """What the plugin can do, in its own words: `{"schemes": ["Bearer"], "challenge": 'Bearer realm="{config.realm}"'}`.

        `challenge` is the 401's where no plugin knows the credentials; `{config.KEY}` in it is that text of the configuration.
        """
        return {}


class ResponsePlugin(Plugin):
    """Answers requests."""

    @_optional
    def can_handle(self, request: Request) -> bool | Any:
        """Whether `generate` should be asked; without it, it always is."""
        return True

    @_optional
    def generate(self, request: Request) -> Response | dict[str, Json] | list[Json] | str | Any | None:
        """The answer, or None when the request is not for this plugin. A dict or list is sent as JSON, a str as text."""
        raise NotImplementedError


class ModifierPlugin(Plugin):
    """Changes answers already made."""

    @_optional
    def modify(self, request: Request, response: Answer) -> Response | Any | None:
        """The changed answer (`response.replace(...)`), or None to leave it. Read its body only if needed: `response.read()`."""
        raise NotImplementedError


class TemplatePlugin(Plugin):
    """Gives functions to templates: every method marked `@function`."""


class DataSourcePlugin(Plugin):
    """Brings data: named queries, answered with rows."""

    connection: Any = None
    """What `connect` gave."""

    @_optional
    def connect(self) -> Any:
        """Open the source; called before an instance's first query, its result kept as `self.connection`."""

    @_optional
    def query(self, *args: Any, **options: Any) -> DataResult | list[dict[str, Json]] | Any:
        """Run a query: `def query(self, query, params, *, limit=None, cursor=None)`, with whichever of these options it takes.

        `query` is what the operator wrote: a text, a list of texts (statements of one transaction), or an object; one with `from` is
        portable, `{"from", "columns"?, "where"}`: each column of the list `where` must equal the parameter of its name, if that is given.
        `params` are values by name. Options: `limit`, the most rows; `cursor`, the `next` that the source gave for the page before;
        `types`, the type of each parameter; `name`, the operator's name for the query, empty for the text of a plugin; `order`, columns
        to sort by, `-name` descending; `write`, whether it may change data; `count`, whether `total` is asked for; `max_bytes` and
        `timeout_ms`, what it may give and take.
        """
        raise NotImplementedError

    @_optional
    def schema(self) -> Sequence[Table] | Any:
        """The tables there are."""
        return []


@overload
def function(method: F, /) -> F: ...
@overload
def function(
    *,
    name: str | None = None,
    description: str | None = None,
    returns: str | None = None,
    examples: Sequence[str] = (),
    category: str | None = None,
    pure: bool = False,
) -> Callable[[F], F]: ...
def function(method: Any = None, /, **about: Any) -> Any:
    """Mark a method (or module function) as a template function; its signature and docstring become its metadata.

    `pure` says that equal arguments give equal answers, so that the host may remember them.
    """

    def mark(target: F) -> F:
        setattr(target, FUNCTION_MARK, about)
        return target

    return mark if method is None else mark(method)


def provider(method: F) -> F:
    """Mark a method (or module function) as a provider of fake data, which templates call as `faker.<plugin>.<name>()`.

    `def plate(self, region="B", *, fake)`: `fake` is a `Fake`, made of the seed that the request has; templates give the other arguments.
    """
    return function(category=PROVIDER)(method)


def endpoint(name: str) -> Callable[[F], F]:
    """Mark a method (or module function) as the handler of the manifest's endpoint of that name: takes a request, gives a response."""

    def mark(target: F) -> F:
        setattr(target, ENDPOINT_MARK, name)
        return target

    return mark
