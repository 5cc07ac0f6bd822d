"""Parameters of named queries: each value is made what the operator says it is, or refused."""

from __future__ import annotations

from collections.abc import Mapping

from mockforge_asgi.config.sources.objects import NamedQuery
from mockforge_asgi.contract.typed_values import typed_value
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.exact_json import Json


def typed_parameters(query: NamedQuery, given: Mapping[str, Json]) -> dict[str, Json]:
    """The given values under the types of the query's parameters. Raises HostCallError.

    One that may be left out, and is, has its default; without one it is null, and of a portable query it is left out.
    """
    known = query.params
    unknown = sorted(str(name) for name in given if name not in known)
    missing = sorted(name for name, about in known.items() if about.is_required and name not in given)
    if unknown or missing:
        what = f"it has no parameter {unknown[0][:100]!r}" if unknown else f"its parameter {missing[0]!r} is missing"
        raise HostCallError("invalid_input", f"query {query.name!r}: {what}; its parameters are {', '.join(sorted(known)) or 'none'}")
    made: dict[str, Json] = {}
    for name, about in known.items():
        if name not in given:
            if about.default is not None or not query.is_portable:
                made[name] = about.default
            continue
        try:
            made[name] = typed_value(about.type, given[name])
        except ValueError as error:
            raise HostCallError(
                "invalid_input", f"query {query.name!r}: its parameter {name!r} {error}", details={"parameter": name}
            ) from None
    return made
