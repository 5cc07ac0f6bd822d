"""Time comes from the host."""

from __future__ import annotations

import pytest

from tests.support.asking_plugin import run
from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import UNIX_NS, HostCalls
from tests.support.python_sandbox_harness import Sandbox

NOW = "2026-09-21 14:13:20.123456"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import time; r = time.time_ns()", 1_790_000_000_123_456_789),
        ("import time; r = round(time.time(), 3)", 1_790_000_000.123),
        ("import time; r = [time.monotonic(), time.perf_counter(), time.process_time()]", [5.0, 5.0, 5.0]),
        (
            "import time; r = [time.strftime('%Y-%m-%d'), time.gmtime().tm_hour, time.localtime().tm_hour, time.ctime(0)]",
            ["2026-09-21", 14, 14, "Thu Jan  1 00:00:00 1970"],
        ),
        ("import time; r = time.strptime('2024', '%Y').tm_year", 2024),
        ("import time; r = time.asctime()", "Mon Sep 21 14:13:20 2026"),
        ("from datetime import datetime; r = str(datetime.now())", NOW),
        ("from datetime import datetime; r = str(datetime.today())", NOW),
        ("from datetime import datetime; r = str(datetime.utcnow())", NOW),
        ("from datetime import date; r = str(date.today())", NOW[:10]),
        (
            "from datetime import datetime, UTC; r = repr(datetime.now(UTC))",
            "datetime.datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=datetime.timezone.utc)",
        ),
        ("import datetime as d; r = isinstance(d.datetime.now() + d.timedelta(1), d.datetime)", True),
        ("import datetime as d; r = isinstance(d.datetime.max, d.datetime) and isinstance(d.datetime.now(), d.date)", True),
        ("import datetime as d, pickle, copy; n = d.datetime.now(); r = pickle.loads(pickle.dumps(n)) == copy.deepcopy(n) == n", True),
        ("from datetime import datetime; r = datetime.strptime('2024-02-29', '%Y-%m-%d').isoformat()", "2024-02-29T00:00:00"),
        (
            "import mockforge_plugin as m, datetime; n = m.now(); r = [n.isoformat(), isinstance(n, datetime.datetime)]",
            ["2026-09-21T14:13:20.123456+00:00", True],
        ),
        ("import email.utils; r = email.utils.formatdate()", "Mon, 21 Sep 2026 14:13:20 -0000"),
    ],
)
def test_the_present_is_the_hosts(sandbox: Sandbox, code: str, value: object) -> None:
    assert run(sandbox, code) == value


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("r = [time.clock_gettime_ns(time.CLOCK_REALTIME), time.clock_gettime_ns(time.CLOCK_MONOTONIC)]", [UNIX_NS, 5_000_000_000]),
        ("r = round(time.clock_gettime(time.CLOCK_REALTIME), 3)", 1_790_000_000.123),
        ("r = time.clock_getres(time.CLOCK_MONOTONIC)", 1e-9),
        ("r = [time.get_clock_info(name).monotonic for name in ('time', 'monotonic', 'process_time')]", [False, True, True]),
    ],
)
def test_clocks_can_be_named(sandbox: Sandbox, code: str, value: object) -> None:
    assert run(sandbox, f"import time; {code}") == value


def test_an_unknown_clock_is_a_value_error(sandbox: Sandbox) -> None:
    with pytest.raises(GuestError, match="ValueError: unknown clock"):
        run(sandbox, "import time; time.get_clock_info('wall')")


@pytest.mark.parametrize("code", ["import time; time.sleep(0.25)", "import mockforge_plugin; mockforge_plugin.sleep(0.25).result()"])
def test_sleeping_is_the_hosts_affair(sandbox: Sandbox, code: str) -> None:
    doors = HostCalls()
    run(sandbox, code, doors)
    assert doors.slept_ns == [250_000_000]
    with pytest.raises(GuestError, match="ValueError: sleep length must be non-negative"):
        run(sandbox, code.replace("0.25", "-1"))
