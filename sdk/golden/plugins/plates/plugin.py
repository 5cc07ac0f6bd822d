"""Providers of fake data: drawn from the seed of the request, in the locale of the templates."""

from mockforge_plugin import TemplatePlugin, provider

REGIONS = {"de_DE": ["B", "M", "HH"], "en_US": ["CA", "NY"]}


class Plates(TemplatePlugin):
    @provider
    def plate(self, region: str | None = None, *, fake) -> str:
        """A vehicle's licence plate."""
        region = region or fake.choice(REGIONS.get(fake.locale, ["X"]))
        letters = "".join(fake.choice("ABCDEFGH") for _ in range(2))
        return f"{region}-{letters} {fake.integer(1, 9999)}"

    @provider
    def drawn(self, *, fake) -> object:
        return [fake.float(), fake.float(), fake.integer(-5, 5), fake.integer(0, 2**52), fake.locale]
