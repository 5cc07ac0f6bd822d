"""The parameters that carry a message of a provider, in a query or a form: bounded, and each once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mockforge_plugin import Query, Request

MAX_BODY: Final = 400_000
"""Of a form: base64 of the longest message, and what encoding adds."""
_MAX_FIELDS: Final = 20
_MAX_RELAY_STATE: Final = 1024


class Refused(Exception):
    """A message that is not accepted; the words are for the operator."""


async def form_of(request: Request) -> Query:
    """The fields of a form. Raises Refused."""
    if request.body.size > MAX_BODY:
        raise Refused(f"it has more than {MAX_BODY} bytes")
    if (await request.read()).count(b"&") > _MAX_FIELDS:
        raise Refused(f"it has more than {_MAX_FIELDS} fields")
    try:
        return await request.form()
    except ValueError:
        raise Refused("it is no form") from None


def one_message(pairs: Query, kinds: Collection[str]) -> tuple[str, str, str | None]:
    """(its parameter, the message, RelayState). Raises Refused."""
    found, states = [(name, value) for name, value in pairs if name in kinds], pairs.all("RelayState")
    if len(found) != 1 or len(states) > 1 or len("".join(states)) > _MAX_RELAY_STATE:
        raise Refused(f"it has not one {' or '.join(kinds)}, or RelayState is too long")
    return found[0][0], found[0][1], next(iter(states), None)
