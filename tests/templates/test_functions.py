"""Time, identifiers and chance in templates."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import TemplateFailed
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.templates.functions import offset, show_time
from mockforge_asgi.templates.renderer import Seed
from tests.support.template_rendering import at_once, exchange, render_now, renderer

FORKS = """
import os
from mockforge_asgi.templates.functions import rand_hex
for _ in range(4):
    if not os.fork():
        print(rand_hex(16), flush=True)
        os._exit(0)
    os.wait()
"""

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 891000, UTC)


def at_moment(text: str) -> str:
    """The text that a template makes at one fixed moment."""
    made = at_once(renderer({"t.txt": text}, clock=MOMENT.timestamp), exchange(), TemplateResponse(template="t.txt"))
    assert made is not None
    return made.body.decode()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ now() }}", "2026-03-04T05:06:07.891Z"),
        ("{{ now('+1d') }}", "2026-03-05T05:06:07.891Z"),
        ("{{ now('-2h30m') }}", "2026-03-04T02:36:07.891Z"),
        ("{{ now(format='unix') }} {{ now(format='unix_ms') }}", "1772600767 1772600767891"),
        ("{{ now('1w', format='%d/%m/%Y') }}", "11/03/2026"),
        ("{{ now(format='http') }}", "Wed, 04 Mar 2026 05:06:07 GMT"),
    ],
)
def test_now_is_told(text: str, made: str) -> None:
    assert at_moment(text) == made


@pytest.mark.parametrize("shift", ["1", "d", "+-1d", "1y", "1d x", "99999999999d", "0d" * 101])
def test_a_faulty_offset_is_refused(shift: str) -> None:
    with pytest.raises(ValueError, match="offset"):
        offset(shift)


@given(st.text(max_size=30))
def test_any_format_is_shown_or_refused(format: str) -> None:
    try:
        assert show_time(MOMENT, format) is not None
    except (ValueError, UnicodeError):
        pass


def test_an_offset_beyond_the_calendar_fails_with_words() -> None:
    with pytest.raises(TemplateFailed):
        render_now("{{ now('+999999999d') }}")
    assert offset("2w") == timedelta(weeks=2)


def test_every_call_gives_a_new_value() -> None:
    made = render_now("{% for i in range(50) %}{{ uuid() }} {% endfor %}").split()
    assert len(set(made)) == 50
    assert {UUID(one).version for one in made} == {4}


def test_chance_stays_in_its_bounds() -> None:
    made = render_now("{% for i in range(200) %}{{ rand_int(3, 5) }} {{ choice('a', 'b') }} {{ choice([1]) }} {% endfor %}").split()
    assert set(made[0::3]) == {"3", "4", "5"}
    assert set(made[1::3]) == {"a", "b"}
    assert set(made[2::3]) == {"1"}
    assert len(render_now("{{ rand_hex(6) }}")) == 6
    assert 1 <= float(render_now("{{ rand_float(1, 2, digits=3) }}")) <= 2


@pytest.mark.parametrize("text", ["{{ choice() }}", "{{ rand_int(5, 1) }}", "{{ rand_hex(0) }}"])
def test_chance_refuses(text: str) -> None:
    with pytest.raises(TemplateFailed):
        render_now(text)


DRAWN = "{{ uuid() }} {{ rand_int() }} {{ rand_float() }} {{ range(9) | random }} {{ choice(range(99) | list) }} {{ rand_hex() }}"


async def drawn(seed: Seed, url: str = "/a", template: str = "t.txt") -> str:
    """What chance gives for a request."""
    made = renderer({"t.txt": DRAWN, "u.txt": DRAWN}, seed=seed)
    return (await made.render(exchange(url), TemplateResponse(template=template))).body.decode()


async def test_seeded_by_the_request_the_same_request_gives_the_same_answer() -> None:
    assert await drawn("request") == await drawn("request")
    assert await drawn("request", "/b") != await drawn("request")
    assert await drawn("request", "/a?x=1") != await drawn("request")
    assert await drawn("request", template="u.txt") != await drawn("request")


async def test_seeded_by_a_number_every_rendering_is_the_same() -> None:
    assert await drawn(7) == await drawn(7, "/b")
    assert await drawn(7) != await drawn(8)


async def test_unseeded_no_two_are_alike() -> None:
    assert await drawn(None) != await drawn(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_workers_do_not_draw_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 4
