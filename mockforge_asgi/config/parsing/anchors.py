"""Anchors and merge keys of a YAML document: copies of what anchors name, within bounds, and what `<<` brings into a mapping."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from mockforge_asgi.exact_json import Json

MERGE_KEY = "<<"
MAX_CHARACTERS = 8 * 1024 * 1024


class TooLarge(Exception):
    """An alias unfolds to more than a document may hold."""


@dataclass(slots=True)
class Anchors:
    """The values that anchors name, the latest of each name. Copies are counted together: at most MAX_CHARACTERS of text."""

    values: dict[str, Json] = field(default_factory=dict)
    characters: int = 0

    def copy(self, name: str, most_values: int, most_depth: int) -> tuple[Json, int]:
        """The named value anew, so that two uses share nothing, and of how many values it consists. Raises TooLarge."""
        value = self.values[name]
        count, todo = 0, [(value, 1)]
        while todo:
            item, depth = todo.pop()
            count += 1
            if count > most_values:
                raise TooLarge("aliases (*…) unfold to too many values.")
            if isinstance(item, str):
                self._count_text(len(item))
            elif isinstance(item, dict | list):
                if depth > most_depth:
                    raise TooLarge("an alias (*…) makes values that are nested too deep.")
                self._count_text(sum(map(len, item)) if isinstance(item, dict) else 0)
                todo += [(inner, depth + 1) for inner in (item.values() if isinstance(item, dict) else item)]
        return copy.deepcopy(value), count

    def _count_text(self, length: int) -> None:
        self.characters += length
        if self.characters > MAX_CHARACTERS:
            raise TooLarge(f"aliases (*…) unfold to more than {MAX_CHARACTERS >> 20} MiB of text.")


def merged(mapping: dict[str, Json]) -> list[str] | None:
    """Replaces the merge key by the keys that it brings: the mapping's own go first, then those of earlier mappings in a list.

    The keys that came in; None if what the merge key names is not a mapping.
    """
    brought = mapping.pop(MERGE_KEY)
    parts = brought if isinstance(brought, list) else [brought]
    if not all(isinstance(part, dict) for part in parts):
        return None
    new = {key: item for part in reversed(parts) for key, item in part.items() if key not in mapping}
    mapping.update(new)
    return list(new)
