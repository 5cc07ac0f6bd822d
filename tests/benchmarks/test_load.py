"""Reading what the load generators report."""

from __future__ import annotations

import json

import pytest

from benchmarks.load import Load, parse_locust, parse_wrk

WRK = """Running 1s test @ http://127.0.0.1:8000/health
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  200.00us   9.00ms   90.00%
    Req/Sec    30.00k     1.00k   31.00k    80.00%
  Latency Distribution
     50%    0.98ms
     75%    1.10ms
     90%    1.30ms
     99%  910.00us
  30300 requests in 1.00s, 4.00MB read
"""


def test_wrk_is_read_in_milliseconds() -> None:
    assert parse_wrk(WRK + "Requests/sec:  30250.12\nTransfer/sec:      4.00MB\n") == Load(30250.12, 0.98, 0.91, 0, 30300)


def test_answers_that_are_no_success_are_errors() -> None:
    text = WRK + "  Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 7\nRequests/sec: 10.0\n"
    assert parse_wrk(text).errors == 10


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("Answers checked: 30300, wrong: 0 ", ""),
        ('Answers checked: 30300, wrong: 2 200 {"hello":"Bob"}', '2 of 30300, such as 200 {"hello":"Bob"}'),
        ("Answers checked: 0, wrong: 0 ", "0 of 0, such as "),
    ],
)
def test_answers_to_other_requests_are_told(line: str, wrong: str) -> None:
    assert parse_wrk(WRK + "Requests/sec:  30250.12\n" + line + "\n").wrong == wrong


def test_a_report_without_a_rate_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="nothing of use"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_locust_is_read_from_its_histogram() -> None:
    entry = {"response_times": {"1": 50, "2": 49, "40": 1}, "start_time": 10.0, "last_request_timestamp": 20.0, "num_failures": 3}
    assert parse_locust("noise\n" + json.dumps([entry])) == Load(10.0, 1.0, 2.0, 3)
