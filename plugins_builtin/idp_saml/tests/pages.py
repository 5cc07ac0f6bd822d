"""What a browser without scripts does with the provider's pages."""

from __future__ import annotations

from dataclasses import dataclass
from html import unescape

import httpx


@dataclass(frozen=True, slots=True)
class Form:
    """A page's one form: where it goes, and its hidden fields."""

    action: str
    fields: dict[str, str]


def form_of(page: httpx.Response) -> Form:
    """The form of a page."""
    text = page.text
    assert text.count("<form") == 1, text
    tag = text.partition("<form")[2].partition(">")[0]
    fields = {}
    for field in text.split('<input type="hidden"')[1:]:
        field = field.partition(">")[0]
        fields[_attribute(field, "name")] = _attribute(field, "value")
    return Form(_attribute(tag, "action"), fields)


def said(page: httpx.Response) -> str:
    """What a page says went wrong, or right."""
    for name in ('id="message"', 'id="error"'):
        if name in page.text:
            return unescape(page.text.partition(name)[2].partition(">")[2].partition("<")[0])
    raise AssertionError(f"the page says nothing: {page.text}")


def _attribute(tag: str, name: str) -> str:
    return unescape(tag.partition(f'{name}="')[2].partition('"')[0])
