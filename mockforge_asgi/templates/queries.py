"""What templates ask of data sources, as it is written: `data.source.query(parameter=…)`, checked against the sources that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jinja2 import nodes

from mockforge_asgi.config.parsing.pydantic_errors import suggest
from mockforge_asgi.config.sources.objects import NamedQuery, SourceConfig
from mockforge_asgi.text import clip

DATA = "data"
"""The name under which templates have the sources."""


def unknown_queries(tree: nodes.Template, sources: Mapping[str, SourceConfig]) -> Iterator[tuple[int, str, str]]:
    """(line, what, remedy) of each source, query and parameter that there is not. What is computed is not looked at."""
    if any(node.ctx != "load" for node in tree.find_all(nodes.Name) if node.name == DATA):
        return  # the template's own variable of that name
    calls = {id(call.node): call for call in tree.find_all(nodes.Call)}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        source = _part(node)
        if source is None or not isinstance(node, nodes.Getattr | nodes.Getitem):
            continue
        if _is_data(node.node):
            if source not in sources:
                yield node.lineno, f"there is no data source '{clip(source)}'.", suggest(source, sources) or "Add it under `sources:`."
            continue
        above, query = node.node, source
        source = _part(above) if isinstance(above, nodes.Getattr | nodes.Getitem) and _is_data(above.node) else None
        if source is not None and source in sources:
            queries = sources[source].queries
            if query in queries:
                yield from _unknown_parameters(queries[query], calls.get(id(node)))
            else:
                what = f"the data source '{clip(source)}' has no query '{clip(query)}'."
                yield node.lineno, what, suggest(query, queries) or f"Add it under `sources.{clip(source)}.queries`."


def _is_data(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == DATA


def _part(node: nodes.Node) -> str | None:
    """The name of a part that is written out."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    is_text = isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
    return node.arg.value if is_text else None  # type: ignore[attr-defined]  # it is a Getitem of a Const


def _unknown_parameters(query: NamedQuery, call: nodes.Call | None) -> Iterable[tuple[int, str, str]]:
    if call is None:
        return
    given = {pair.key for pair in call.kwargs}
    for name in sorted(given - query.params.keys()):
        yield call.lineno, f"the query '{query.name}' has no parameter '{clip(name)}'.", suggest(name, query.params) or "It has none."
    if call.args or call.dyn_args:
        yield call.lineno, f"the query '{query.name}' takes its parameters by name.", f"Write `{query.name}(name=…)`."
    if call.dyn_kwargs is None:
        for name in sorted(name for name, about in query.params.items() if about.is_required and name not in given):
            yield call.lineno, f"the query '{query.name}' needs the parameter '{name}'.", f"Write `{query.name}({name}=…)`."
