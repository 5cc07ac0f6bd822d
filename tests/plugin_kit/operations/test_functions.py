"""Metadata of template functions."""

from __future__ import annotations

import pytest

from mockforge_plugin.operations.functions import metadata, type_name
from mockforge_plugin.plugin import function


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (str, "string"),
        ("str", "string"),
        (int, "integer"),
        ("float", "number"),
        (bool, "boolean"),
        ("list[int]", "array"),
        (list[int], "array"),
        ("dict[str, int]", "object"),
        ("str | None", "string"),
        (int | None, "integer"),
        ("Optional[str]", "string"),
        ("typing.Optional[int]", "integer"),
        ("int | str", "any"),
        ("datetime.date", "string"),
        ("collections.abc.Sequence[str]", "array"),
        ("Unknown", "any"),
        (object, "any"),
        (None, "null"),
    ],
)
def test_annotations_become_json_types(annotation: object, name: str) -> None:
    if name == "null":
        assert type_name(annotation) == "any"
    else:
        assert type_name(annotation) == name


def test_a_docstring_gives_summary_and_parameters() -> None:
    @function
    def shout(text: str, times: int = 2, *more: str, **options: object) -> str:
        """Says it
        loudly.

        More words.

        Args:
            text: what to say
            times (int): how often
            **options: anything
        """
        return text * times

    about = metadata(shout)
    assert (about.name, about.description, about.returns) == ("shout", "Says it loudly.", "string")
    assert [(p.name, p.type, p.required, p.default, p.var_args, p.description) for p in about.parameters] == [
        ("text", "string", True, None, False, "what to say"),
        ("times", "integer", False, 2, False, "how often"),
        ("more", "string", False, None, True, ""),
        ("options", "any", False, None, True, "anything"),
    ]


def test_what_the_mark_says_comes_first() -> None:
    @function(name="n", description="d", returns="array", examples=["n()"], category="c", pure=True)
    def other() -> int:
        """Not this."""
        return 1

    about = metadata(other)
    assert (about.name, about.description, about.returns, about.examples, about.category, about.pure) == (
        "n",
        "d",
        "array",
        ("n()",),
        "c",
        True,
    )
