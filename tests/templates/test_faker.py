"""Fake data in templates."""

from __future__ import annotations

import sys

import pytest

from mockforge_asgi.errors import TemplateFailed, UnsupportedPlatform
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.templates import faker as fake
from mockforge_asgi.templates.renderer import Seed
from mockforge_asgi.testing import Client
from mockforge_plugin import Fake, TemplatePlugin, function, provider
from tests.support.template_rendering import PlainPlugin, at_once, exchange, render_now, renderer

PERSON = "{{ faker.name() }}|{{ faker.email() }}|{{ faker.date_of_birth() }}|{{ faker.pydecimal(2, 2) }}|{{ faker.words(3) }}"


async def person(seed: Seed, url: str = "/a", text: str = PERSON, *plugins: PlainPlugin) -> str:
    """Fake data for a request."""
    return (await renderer({"t.txt": text}, *plugins, seed=seed).render(exchange(url), TemplateResponse(template="t.txt"))).body.decode()


async def test_fake_data_is_data() -> None:
    name, email, born, decimal, words = (await person(None)).split("|")
    assert name and "@" in email and born[4] == "-" and float(decimal) and words.startswith('["')


async def test_the_same_request_gets_the_same_person() -> None:
    assert await person("request") == await person("request")
    assert await person("request") != await person("request", "/b")


async def test_renderings_that_take_turns_do_not_draw_from_one_another() -> None:
    import asyncio

    plugin = PlainPlugin("p", {"wait": lambda: asyncio.sleep(0, "")})
    text = "{{ faker.name() }}{{ p.wait() }}{{ faker.name() }}{{ p.wait() }}{{ faker.name() }}"
    alone = [await person("request", f"/{n}", text, plugin) for n in range(8)]
    together = await asyncio.gather(*(person("request", f"/{n}", text, plugin) for n in range(8)))
    assert together == alone


def test_a_locale_is_used() -> None:
    made = at_once(renderer({"t.txt": "{{ faker.postcode() }}"}, locale="de_DE"), exchange(), TemplateResponse(template="t.txt"))
    assert made is not None
    assert len(made.body) == 5


@pytest.mark.parametrize(
    "text",
    [
        "{{ faker.nope() }}",
        "{{ faker.binary(100000000) }}",
        "{{ faker.text(max_nb_chars=100000000) }}",
        "{{ faker.words(nb=100000000) }}",
        "{{ faker.words(100000000) }}",
        "{{ faker.text(100000000) }}",
        "{{ faker.texts(nb_texts=100000000) }}",
        "{{ faker.random_number(100000000) }}",
        "{{ faker.domain_name(levels=100000000) }}",
        "{{ faker.pydecimal(100000000, 2) }}",
        "{{ faker.words(ext_word_list=['x' * 2000] * 2000) }}",
        "{{ faker.pystr_format('{{binary}}') }}",
        "{{ faker.name }}",
        "{{ faker.add_provider(1) }}",
        "{{ faker.random.seed(1) }}",
    ],
)
def test_fake_data_is_bounded(text: str) -> None:
    with pytest.raises(TemplateFailed):
        render_now(text)


def test_a_value_may_be_larger_than_a_length() -> None:
    assert 5_000_000 <= int(render_now("{{ faker.pyint(5000000, 5000009) }}")) <= 5_000_009


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    fake._faker.cache_clear()
    with pytest.raises(UnsupportedPlatform, match=r"mockforge-asgi\[faker\]"):
        render_now("{{ faker.name() }}")


class Plates(TemplatePlugin):
    """Providers, and a function that is none."""

    @provider
    async def plate(self, region: str = "B", *, fake: Fake) -> str:
        return f"{region}-{fake.integer(100, 999)} {fake.locale}"

    @function
    def shout(self, text: str) -> str:
        return text.upper()


async def from_plugin(text: str, url: str = "/a", *, locale: str = "en_US", name: str = "plates") -> str:
    """What a template makes of the providers of a plugin, or the status."""
    plugin = Plates()
    plugin.name = name  # type: ignore[attr-defined]  # as an author may give it
    templates = {"seed": "request", "locale": locale}
    routes = [{"match": {"path": "/{x}"}, "response": {"template_text": text}}]
    async with Client(MockForge(config={"version": 1, "templates": templates, "routes": routes}, plugins=[plugin])) as client:
        found = await client.get(url)
        return found.text if found.status == 200 else str(found.status)


@pytest.mark.parametrize("call", ["faker.plates.plate", "faker['plates'].plate", "faker[('PLATES' | lower)].plate"])
async def test_a_plugins_providers_draw_from_the_seed_of_the_request(call: str) -> None:
    text = f"{{{{ {call}(region='M') }}}}|{{{{ {call}() }}}}"
    first = await from_plugin(text)
    one, other = first.split("|")
    assert one.startswith("M-") and other.startswith("B-") and one[2:] != other[2:], "each call draws anew"
    assert await from_plugin(text) == first != await from_plugin(text, "/b")
    assert (await from_plugin(text, locale="de_DE")).split("|")[0] == one.replace("en_US", "de_DE")


async def test_a_plugin_stands_beside_the_library_and_its_own_functions() -> None:
    assert (
        await from_plugin("{{ plates.shout(text='a') }}{{ faker.name() is string }}{% set f = faker %}{{ f.plates.plate()[:2] }}")
        == "AtrueB-"
    )
    assert (await from_plugin("{{ faker.word.plate() }}", name="word")).startswith("B-"), "what a plugin provides comes first"


@pytest.mark.parametrize(
    "text", ["{{ plates.plate() }}", "{{ faker.plates.shout(text='a') }}", "{{ faker.plates.gone() }}", "{{ faker.plates.plate(nr=1) }}"]
)
async def test_what_is_no_provider_is_not_below_faker_and_no_provider_is_elsewhere(text: str) -> None:
    assert await from_plugin(text) in ("500", "502")


async def test_a_seed_of_the_templates_own_counts_for_nothing() -> None:
    text = "{{ faker.plates.plate(fake={'seed': 1, 'locale': 'x'}) }}"
    assert await from_plugin(text) != await from_plugin(text, "/b")
