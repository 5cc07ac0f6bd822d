"""Functions for people's names, to be called from templates."""

from mockforge_plugin import TemplatePlugin, function


class Names(TemplatePlugin):
    """What templates see as `names.<function>`."""

    @function(pure=True)
    def initials(self, name: str) -> str:
        """The first letters of each part of a name: "AL" for "Ada Lovelace"."""
        return "".join(part[0].upper() for part in name.replace("-", " ").split())
