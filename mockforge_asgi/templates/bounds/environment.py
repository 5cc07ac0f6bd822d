"""The Jinja environment, bounded: what a template may reach, and what every construct may cost.

Jinja's sandbox decides attribute by attribute; here a template reaches only JSON values, a short list of text and list methods, and
objects that say what they expose (`Exposed`). Each place where text, numbers or lists grow is routed through the rendering's meter.
Three of Jinja's own seams are used for that: operator interception, a code generator that folds no constants into output, and the
names that compiled templates call (`escape`, `str_join`, `concat`, `Macro`, ...); a fourth, the lexer's tokens, keeps line ends.
`test_environment` guards that they stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final, TypeVar

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.environment import Environment, TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, do, loopcontrols
from jinja2.loaders import BaseLoader
from jinja2.runtime import BlockReference, Context, LoopContext, TemplateReference
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace
from markupsafe import Markup

from mockforge_asgi.templates.bounds.arithmetic import OPERATORS
from mockforge_asgi.templates.bounds.ast import Bounds, ExactLexer, Generator
from mockforge_asgi.templates.bounds.meter import COMPARED_PER_STEP, METER, SCALARS, meter
from mockforge_asgi.templates.bounds.runtime import BoundContext, BoundMacro
from mockforge_asgi.templates.formats import Format, to_text

T = TypeVar("T")


class Exposed:
    """An object that templates may hold. Subclasses implement `expose`; nothing else of them can be reached."""

    __slots__ = ()
    label = "object"
    """What messages call it."""

    def expose(self, name: str) -> object:
        """The part of that name. Raises KeyError where there is none, NotThere where words can say why."""
        raise KeyError(name)


class Explained(dict[str, Any]):
    """A mapping of a template that can say why something is not in it."""

    __slots__ = ("why",)

    def __init__(self, values: Mapping[str, Any], why: Mapping[str, str]) -> None:
        super().__init__(values)
        self.why = why


class NotThere(KeyError):
    """A part is not there, for the reason that its only argument gives."""


_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(
        """capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper
        lower lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines startswith strip swapcase title
        upper""".split()
    ),
    dict: frozenset(["get", "items", "keys", "values"]),
    list: frozenset(["count", "index"]),
    tuple: frozenset(["count", "index", "grouper", "list"]),
}
"""Methods of plain values that cannot grow, change or reveal anything."""

_SEARCHING: Final = frozenset(["lstrip", "rfind", "rpartition", "rsplit", "rstrip", "strip"])
"""Those of text that, given an unlucky argument, compare every character with every character of it."""

_PLAIN_CALLABLES: Final = frozenset([BuiltinFunctionType, FunctionType, MethodType])
"""Types whose calls need nothing of what Jinja does before it calls something."""

_INDEXED: Final = (str, list, tuple, dict, range, TemplateReference)
_EXTENSIONS: Final[list[str | type[Extension]]] = [do, loopcontrols]


_LOOP: Final = frozenset("changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0".split())
_PARTS: Final[Mapping[type, frozenset[str]]] = {
    BlockReference: frozenset(["super"]),
    BoundMacro: frozenset(["arguments", "caller", "catch_kwargs", "catch_varargs", "name"]),
    Cycler: frozenset(["current", "next", "reset"]),
    LoopContext: _LOOP,
}
"""Parts of the template language's own objects."""


class _Template(Template):
    @classmethod
    def _from_namespace(cls, environment: Environment, namespace: MutableMapping[str, Any], globals: MutableMapping[str, Any]) -> Template:
        assert isinstance(environment, BoundedEnvironment)
        namespace.update(environment.names)
        return super()._from_namespace(environment, namespace, globals)

    # Jinja keeps what an imported template sets for all renderings to come; here nothing lasts from one request to the next.

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        return self.make_module()


class BoundedEnvironment(SandboxedEnvironment):
    """Compiles templates of one format."""

    code_generator_class = Generator
    context_class = BoundContext
    template_class = _Template
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self, format: Format, loader: BaseLoader, *, functions: Mapping[str, object], filters: Mapping[str, Any]) -> None:
        super().__init__(
            autoescape=format.escapes,
            undefined=StrictUndefined,
            loader=loader,
            auto_reload=False,
            optimized=False,  # nothing is computed while compiling: there is no meter then
            cache_size=-1,
            extensions=_EXTENSIONS,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._lexer = ExactLexer(self)
        self.format = format
        self.concat = _concat  # type: ignore[method-assign]
        self.globals = {"range": _range, "dict": _dict, "namespace": Namespace, "cycler": Cycler, "joiner": Joiner, **functions}
        self.filters = {"_rounds": _rounds, "_weighed": _weighed, "_slice": _slice, **filters}
        self.names: Final[Mapping[str, object]] = {
            "escape": format.put,
            "str": to_text,
            "Markup": format.marked,
            "str_join": format.join,
            "markup_join": format.join,
            "Macro": BoundMacro,
        }

    @property
    def lexer(self) -> ExactLexer:
        """What cuts the text of a template into tokens."""
        return self._lexer

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        Bounds(json_stands=self.format.ready is not Markup).visit(tree)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute` as templates mean it: an entry of a mapping first, then a part that may be reached."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if type(obj) is Explained and attribute in obj.why:
            return self.undefined(obj.why[attribute])
        if isinstance(obj, Exposed):
            try:
                return obj.expose(attribute)
            except NotThere as error:
                return self.undefined(error.args[0])
            except KeyError:
                return self.undefined(f"{obj.label} has no '{attribute}'")
        parts = _PARTS.get(type(obj))
        if parts is not None and attribute in parts:
            return getattr(obj, attribute)
        if isinstance(obj, (Undefined, TemplateReference)):
            return self.getitem(obj, attribute)
        return self._part(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]` as templates mean it."""
        if isinstance(obj, Undefined):
            return obj  # a part of what is not there is not there either: `default` and `is defined` may ask for it
        if isinstance(obj, Exposed):
            return self.getattr(obj, argument) if isinstance(argument, str) else self.undefined(obj=obj, name=argument)
        if isinstance(obj, _INDEXED):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self._part(obj, argument) if isinstance(argument, str) else self.undefined(obj=obj, name=argument)

    def _part(self, obj: Any, name: str) -> Any:
        if isinstance(obj, (Namespace, TemplateModule)) and not name.startswith("_"):
            try:
                return getattr(obj, name)
            except AttributeError:
                return self.undefined(obj=obj, name=name)
        for known, names in _METHODS.items():
            if isinstance(obj, known) and name in names and hasattr(obj, name):
                return _charged(obj, name) if name in _SEARCHING and isinstance(obj, str) else getattr(obj, name)
        if name.startswith("_"):
            return self.unsafe_undefined(obj, name)
        return self.undefined(obj=obj, name=name)

    def is_safe_callable(self, obj: Any) -> bool:
        """Everything that a template can reach and call is made to be called."""
        return callable(obj)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """A call in a template, counted."""
        used = METER.get() or meter()
        used.steps_left -= 1
        used.seen = used.clock()
        if used.steps_left < 0 or used.seen > used.deadline:
            used.step()  # raises
        kind = type(__obj)
        if kind is partial or (kind in _PLAIN_CALLABLES and not hasattr(__obj, "jinja_pass_arg")):
            if kwargs:  # generated code tells what a loop or a block has set, for callables that want the context
                kwargs.pop("_loop_vars", None)
                kwargs.pop("_block_vars", None)
            made = __obj(*args, **kwargs)
        elif isinstance(__obj, LoopContext):
            used.enter()
            made = super().call(__context, __obj, *map(_rounds, args), **kwargs)
            used.leave()
            return made
        else:
            made = super().call(__context, __obj, *args, **kwargs)
        if type(made) is str:
            used.text_left -= len(made)
            if used.text_left < 0 or len(made) > used.limits.output_bytes:
                used.check_text(len(made))
            return made
        return made if type(made) in SCALARS else used.check_made(made)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic, its result bounded before it is made."""
        return OPERATORS[operator](left, right)

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Template:
        """A template by name; counted, since templates include one another."""
        meter().step()
        return super().get_template(name, parent, globals)


def _rounds(items: Iterable[T]) -> Iterable[T]:
    if isinstance(items, Undefined):
        str(items)
    return meter().timed(items)


def _charged(text: str, name: str) -> Callable[..., Any]:
    """A method whose cost may grow with both texts, paid for in steps."""
    method = getattr(text, name)

    def charged(*args: Any, **kwargs: Any) -> Any:
        for wanted in (*args, *kwargs.values()):
            if isinstance(wanted, str):
                meter().spend(len(text) * len(wanted) // COMPARED_PER_STEP)
        return method(*args, **kwargs)

    return charged


def _weighed(value: T) -> T:
    return meter().check_made(value)


def _slice(value: Any, start: int | None, stop: int | None, step: int | None) -> Any:
    if not isinstance(value, str | list | tuple | range):
        raise SecurityError(f"{type(value).__name__} cannot be sliced")
    return meter().check_made(value[start:stop:step])


def _concat(parts: Iterable[str]) -> str:
    texts = parts if isinstance(parts, list) else list(parts)
    meter().check_text(sum(map(len, texts)))
    return "".join(texts)


def _range(*bounds: int) -> range:
    """`range` whose length is bounded."""
    made = range(*bounds)
    meter().check_length(len(made))
    return made


def _dict(*items: Any, **named: Any) -> dict[Any, Any]:
    """`dict` of pairs, of a mapping, of names."""
    return dict(*items, **named)
