"""The filters that templates may use: each bounded, none that reaches beyond its input.

Names and meanings are Jinja's; `json` is the same as `tojson`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, Final

from jinja2 import filters as jinja
from jinja2.exceptions import FilterArgumentError, SecurityError
from jinja2.runtime import Undefined
from jinja2.utils import pass_context, pass_environment
from markupsafe import Markup
from markupsafe import escape as html_escape
from orjson import dumps

from mockforge_asgi.templates.bounds.arithmetic import do_int, do_round, number
from mockforge_asgi.templates.bounds.ast import WRITTEN_JSON
from mockforge_asgi.templates.bounds.meter import METER, SCALARS, meter
from mockforge_asgi.templates.bounds.text_filters import (
    do_center,
    do_format,
    do_indent,
    do_replace,
    do_trim,
    do_truncate,
    do_urlencode,
    of_text,
    width_of,
)
from mockforge_asgi.templates.formats import LONG, Format, to_json, to_text

_IN_MARKUP: Final = {sign: f"\\u{ord(sign):04x}" for sign in "<>&'"}


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, counted as a step; what it makes is counted too. Keeps Jinja's marks of what it wants passed."""

    @wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        used = METER.get() or meter()
        used.step()
        made = function(*args, **kwargs)
        return made if type(made) in SCALARS else used.check_made(made)

    return counted


def _items(value: Any) -> Iterable[Any]:
    """The values of a list, with their number counted before anything is made of them."""
    if isinstance(value, Undefined):
        str(value)
    return meter().at_once(value)


def do_join(format: Format) -> Callable[..., str]:
    """`join` for that format."""

    @pass_environment
    def join(environment: Any, value: Any, separator: Any = "", attribute: str | int | None = None) -> str:
        items = _items(value)
        if attribute is not None:
            items = map(jinja.make_attrgetter(environment, attribute), items)
        parts: list[Any] = []
        for item in items:
            parts += [separator, item]
        return format.join(parts[1:])

    return join


def do_list(value: Any) -> list[Any]:
    """`value` as a list."""
    if hasattr(value, "__len__"):
        meter().check_length(len(value))
    return list(_items(value))


def do_batch(value: Any, size: int, fill: Any = None) -> list[list[Any]]:
    """`value` in rows of `size`."""
    return list(jinja.do_batch(do_list(value), max(1, width_of(size)), fill))


def do_slices(value: Any, slices: int, fill: Any = None) -> list[list[Any]]:
    """`value` in that many columns."""
    return list(jinja.sync_do_slice(do_list(value), max(1, width_of(slices)), fill))


@pass_environment
def do_sum(environment: Any, value: Any, attribute: str | int | None = None, start: Any = 0) -> Any:
    """The sum of numbers, or of their `attribute`."""
    total = start
    entry_of = None if attribute is None else jinja.make_attrgetter(environment, attribute)
    for item in _items(value):
        entry = item if entry_of is None else entry_of(item)
        if not isinstance(entry, (int, float)):
            raise FilterArgumentError(f"sum adds numbers, not {type(entry).__name__}")
        total = number(total + entry)
    return total


def do_reverse(value: Any) -> Any:
    """`value` from its end."""
    return value[::-1] if isinstance(value, str) else do_list(value)[::-1]


def do_dictsort(value: Any, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
    """The pairs of a mapping, sorted."""
    if isinstance(value, Mapping):
        meter().at_once(value)
    return jinja.do_dictsort(value, *args, **kwargs)


def do_items(value: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a mapping."""
    if isinstance(value, Undefined):
        return iter(())
    if not isinstance(value, Mapping):
        raise FilterArgumentError("items takes a mapping")
    return iter(value.items())


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja that goes through the values one by one, each counted; `first` is what it wants passed."""

    @wraps(function)
    def each(first: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(first, meter().at_once(value) if value else value, *args, **kwargs)

    return each


def _listed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for one that gives values one by one, as one that gives a list."""
    through = _each(function)

    @wraps(function)
    def listed(*args: Any, **kwargs: Any) -> list[Any]:
        return list(meter().rounds(through(*args, **kwargs)))

    return listed


def _rejected(name: str) -> Callable[..., Any]:
    def rejected(*args: Any, **kwargs: Any) -> Any:
        raise SecurityError(f"the filter '{name}' is not available in templates here")

    return rejected


_PLAIN: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": abs,
    "attr": jinja.do_attr,
    "batch": do_batch,
    "capitalize": of_text(str.capitalize),
    "center": do_center,
    "count": len,
    "d": jinja.do_default,
    "default": jinja.do_default,
    "dictsort": do_dictsort,
    "filesizeformat": jinja.do_filesizeformat,
    "first": jinja.sync_do_first,
    "float": jinja.do_float,
    "format": do_format,
    "groupby": _each(jinja.sync_do_groupby),
    "indent": do_indent,
    "int": do_int,
    "items": do_items,
    "last": jinja.do_last,
    "length": len,
    "list": do_list,
    "lower": of_text(str.lower),
    "map": _listed(jinja.sync_do_map),
    "max": _each(jinja.do_max),
    "min": _each(jinja.do_min),
    "reject": _listed(jinja.sync_do_reject),
    "rejectattr": _listed(jinja.sync_do_rejectattr),
    "replace": do_replace,
    "reverse": do_reverse,
    "round": do_round,
    "select": _listed(jinja.sync_do_select),
    "selectattr": _listed(jinja.sync_do_selectattr),
    "slice": do_slices,
    "sort": _each(jinja.do_sort),
    "string": to_text,
    "sum": do_sum,
    "title": of_text(str.title),
    "trim": do_trim,
    "truncate": do_truncate,
    "unique": _listed(jinja.do_unique),
    "upper": of_text(str.upper),
    "urlencode": do_urlencode,
    "wordcount": lambda value: len(to_text(value).split()),
}


def do_json(format: Format) -> Callable[[Any], str]:
    """A value as JSON text, counted as `_counted` does it, but straight: the filter that nearly every JSON template uses."""
    is_markup = format.ready is Markup

    def to_json_text(value: Any) -> str:
        used = METER.get() or meter()
        left = used.steps_left = used.steps_left - 1
        now = used.seen = used.clock()
        if left < 0 or now > used.deadline:
            used.step()  # raises
        text = dumps(value).decode() if type(value) is str and len(value) <= LONG else to_json(value)
        if is_markup:  # safe inside a script element and inside attributes
            for sign, written in _IN_MARKUP.items():
                text = text.replace(sign, written)
        length = len(text)
        left = used.text_left = used.text_left - length
        if left < 0 or length > used.limits.output_bytes:
            used.check_text(length)
        return text

    return to_json_text


def filters_for(format: Format, choose: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """The filters for templates of that format. `choose` picks one of a list, for `random`."""

    @pass_context
    def random(context: object, value: Any) -> Any:
        # The context keeps Jinja from picking once, while compiling.
        return choose(do_list(value))

    def escape(value: Any) -> str:
        escaped = html_escape(value if isinstance(value, str) else to_text(value))
        return escaped if format.ready is Markup else str(escaped)

    def safe(value: Any) -> str:
        return format.marked(to_text(value))

    written = do_json(format)

    def to_json_text(value: Any) -> str:
        return format.marked(written(value))

    own: dict[str, Callable[..., Any]] = {"e": escape, "escape": escape, "join": do_join(format), "random": random, "safe": safe}
    ready = {"json": to_json_text, "tojson": to_json_text, WRITTEN_JSON: written}
    known = own.keys() | ready.keys() | _PLAIN.keys()
    absent: dict[str, Callable[..., Any]] = {name: _rejected(name) for name in jinja.FILTERS if name not in known}
    return {name: _counted(function) for name, function in {**absent, **_PLAIN, **own}.items()} | ready
