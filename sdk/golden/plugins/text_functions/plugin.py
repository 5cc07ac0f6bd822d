"""Functions for templates: signatures of every shape."""

from mockforge_plugin import TemplatePlugin, function


class TextFunctions(TemplatePlugin):
    def __init__(self):
        self.calls = 0

    @function(pure=True, category="names", examples=("initials('Ada Lovelace')",))
    def initials(self, name: str) -> str:
        """The first letters of each part of a name.

        Args:
            name: a person's full name
        """
        return "".join(part[0] for part in name.split())

    @function
    def join(self, *parts: str, separator: str = "-", upper: bool = False) -> str:
        text = separator.join(str(part) for part in parts)
        return text.upper() if upper else text

    @function(name="add", returns="number")
    async def sum_of(self, a: int, b: int | float = 1) -> float:
        """Adds."""
        return a + b

    @function
    def count(self) -> int:
        """How often it was called: state lives in the instance."""
        self.calls += 1
        return self.calls

    @function
    def shape(self, value: object = None, **more: object) -> dict[str, object]:
        return {"type": type(value).__name__, "more": more}

    @function
    def broken(self, how: str):
        if how == "type":
            return "a" + 1
        if how == "nan":
            return {"x": [1.0, float("nan")]}
        if how == "set":
            return {"x": {1}}
        if how == "surrogate":
            return "\ud83d"
        raise KeyError(how)
