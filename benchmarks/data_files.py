"""What sources of files cost: a look-up beside sqlite3 asked directly; a large CSV file read, and how late the event loop is meanwhile.

Look-ups are in µs of the processor, as others may use the machine; `template` is what one adds to a rendering. `late` is what the event
loop computes between two of its turns while a large file takes the place of a small one, and `start/again` a start that finds it built.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time, thread_time

from benchmarks.figures import Figure, Turn, compare, summary
from mockforge_asgi import MockForge
from mockforge_asgi.config import Config, load_config
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client

ROWS, ROWS_QUICK = 1_750_000, 40_000
CHANCE = random.Random(7)
WITHOUT = "{{ request.path_params.id }}"
WITH = "{{ data.s.by_id(id=request.path_params.id).one.note }}"


def written(path: Path, rows: int) -> int:
    """Write the file; its size in MiB."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,code,city,street,price,active,since,note\n")
        for n in range(rows):
            price, day = (n * 37) % 100_000 / 100, f"2024-0{n % 9 + 1}-1{n % 10}"
            note = f"some words some words some words some words {n}"
            file.write(f"{n},{n % 100_000:05d},City {n % 977},{n % 500} Long Street Name {n % 7919},{price:.2f},true,{day},{note}\n")
    return path.stat().st_size >> 20


def configuration(folder: Path) -> dict[str, object]:
    """The file as a source, and two routes."""
    queries = {"by_id": {"query": "select * from big where id = :id", "params": {"id": "integer"}}}
    config = {"file": str(folder / "big.csv"), "index": ["id"], "cache_dir": str(folder / "cache")}
    routes = [
        {"match": {"path": f"/{name}/{{id:int}}"}, "response": {"template_text": text}}
        for name, text in (("with", WITH), ("without", WITHOUT))
    ]
    return {"version": 1, "sources": {"s": {"use": "csv", "config": config, "queries": queries}}, "routes": routes}


async def lateness(seen: list[float]) -> None:
    """Milliseconds that this thread computes between two turns of its loop."""
    while True:
        before = thread_time()
        await asyncio.sleep(0.001)
        seen.append((thread_time() - before) * 1000)


async def known(runtime: PluginRuntime, number: int) -> None:
    """Wait until the file has a row of that number."""
    while not (await runtime.sources.query("s", "by_id", {"id": number}))["rows"]:
        await asyncio.sleep(0.02)


async def timed(ask: Callable[[int], Awaitable[object]], ids: list[int]) -> Turn:
    """Microseconds of the processor that one look-up takes."""
    begun = process_time()
    for number in ids:
        await ask(number)
    return Turn((process_time() - begun) / len(ids) * 1e6)


async def run(quick: bool) -> AsyncIterator[Figure]:
    """Loading, then look-ups in turns."""
    rows = ROWS_QUICK if quick else ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conditions: dict[str, object] = {"rows": rows, "MiB": written(folder / "new.csv", rows)}
        written(folder / "big.csv", 1)
        config = load_config(configuration(folder))
        async for figure in loading(config, folder, rows - 1, conditions):
            yield figure
        async for figure in look_ups(config, folder, rows, quick, conditions):
            yield figure


async def loading(config: Config, folder: Path, last: int, conditions: dict[str, object]) -> AsyncIterator[Figure]:
    """The file is replaced while it is asked; then a start that finds it built."""
    late: list[float] = []
    runtime = PluginRuntime(config)
    await runtime.start()
    (folder / "new.csv").replace(folder / "big.csv")
    begun, watching = perf_counter(), asyncio.create_task(lateness(late))
    await known(runtime, last)
    yield Figure(bench="data_files", case="load", value=perf_counter() - begun, unit="s", conditions=conditions)
    watching.cancel()
    await runtime.stop()
    yield Figure(bench="data_files", case="late", value=max(late), unit="ms", conditions=conditions)
    runtime, begun = PluginRuntime(config), perf_counter()
    await runtime.start()
    await known(runtime, last)
    yield Figure(bench="data_files", case="start/again", value=perf_counter() - begun, unit="s", conditions=conditions)
    await runtime.stop()


async def look_ups(config: Config, folder: Path, rows: int, quick: bool, conditions: dict[str, object]) -> AsyncIterator[Figure]:
    """One row by its key, in turns."""
    (database,) = (folder / "cache").glob("*.db")
    app = MockForge(config=config)
    async with Client(app) as client:
        sources = app.runtime.sources
        with closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as direct:
            direct.create_collation("mockforge_decimal", lambda a, b: 0)

            async def straight(number: int) -> object:
                return direct.execute("select * from big where id = :id", {"id": number}).fetchall()

            cases: dict[str, Callable[[int], Awaitable[object]]] = {
                "look-up/sqlite3": straight,
                "look-up/source": lambda number: sources.query("s", "by_id", {"id": number}),
                "look-up/template": lambda number: client.get(f"/with/{number}"),
                "look-up/none": lambda number: client.get(f"/without/{number}"),
            }
            seen: dict[str, list[Turn]] = {case: [] for case in cases}
            for turn in range(4 if quick else 10):
                ids = [CHANCE.randrange(rows) for _ in range(300 if quick else 2000)]
                for case, ask in cases.items():
                    value = await timed(ask, ids)
                    if turn:  # the first turn warms up
                        seen[case].append(value)
    values = {case: summary(turns).value for case, turns in seen.items()}
    values["look-up/template"] -= values.pop("look-up/none")
    figures = [Figure(bench="data_files", case=case, value=value, unit="us", conditions=conditions) for case, value in values.items()]
    for figure in compare(figures, {"look-up/source": "look-up/sqlite3", "look-up/template": "look-up/sqlite3"}):
        yield figure
