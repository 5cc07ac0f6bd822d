"""Parameters and orders of named queries: each is what the operator says it may be, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mockforge_asgi.config.sources.objects import NamedQuery
from mockforge_asgi.contract.typed_values import typed_value
from mockforge_asgi.errors import SourceFailed
from mockforge_asgi.exact_json import Json


def typed_parameters(query: NamedQuery, given: Mapping[str, Json], source: str = "") -> dict[str, Json]:
    """The given values under the types of the query's parameters. Raises SourceFailed; a name that is wrong is the operator's fault.

    One that may be left out, and is, has its default; without one it is null, and of a portable query it is left out.
    """
    known = query.params
    unknown = sorted(str(name) for name in given if name not in known)
    missing = sorted(name for name, about in known.items() if about.is_required and name not in given)
    if unknown or missing:
        what = f"it has no parameter {unknown[0][:100]!r}" if unknown else f"its parameter {missing[0]!r} is missing"
        listed = f"its parameters are {', '.join(sorted(known)) or 'none'}"
        raise SourceFailed("invalid_input", f"query {query.name!r}: {what}; {listed}", source, query.name, status=500)
    made: dict[str, Json] = {}
    for name, about in known.items():
        if name not in given:
            if about.default is not None or not query.is_portable:
                made[name] = about.default
            continue
        try:
            made[name] = typed_value(about.type, given[name])
        except ValueError as error:
            what = f"query {query.name!r}: its parameter {name!r} {error}"
            raise SourceFailed("invalid_input", what, source, query.name, details={"parameter": name}) from None
    return made


def ordered(query: NamedQuery, wanted: Sequence[str], source: str = "") -> tuple[str, ...]:
    """The columns to sort by: those that are wanted, then the query's own, which make the order one of all rows. Raises SourceFailed."""
    if not wanted:
        return query.order
    names = [column.removeprefix("-") for column in wanted]
    if len(set(names)) != len(names) or not query.sort.issuperset(names):
        what = f"query {query.name!r}: it can be sorted by {', '.join(sorted(query.sort)) or 'nothing'}, each once"
        raise SourceFailed("invalid_input", what, source, query.name, status=400)
    return (*wanted, *(column for column in query.order if column.removeprefix("-") not in names))
