"""What locust runs: one request at a stated rate. `{n}` in its path, headers and body counts up, over all users."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from itertools import count

from locust import FastHttpUser, constant_throughput, events, task

from benchmarks.cases import numbered

USERS = 20
NUMBERS = count(1)


@events.init_command_line_parser.add_listener
def options(parser: ArgumentParser) -> None:
    """Our own options."""
    parser.add_argument("--path", default="/")
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--method", default="GET")
    parser.add_argument("--request-headers", default="{}")
    parser.add_argument("--body", default="")


class Caller(FastHttpUser):
    """Sends its share of the rate."""

    def wait_time(self) -> float:
        """The pause that keeps the rate."""
        pause: float = constant_throughput(self.environment.parsed_options.rate / USERS)(self)
        return pause

    def on_start(self) -> None:
        """Read the options once."""
        options = self.environment.parsed_options
        self.method, self.path, self.body = options.method, options.path, options.body
        self.headers = json.loads(options.request_headers)

    @task
    def call(self) -> None:
        """One request."""
        n = next(NUMBERS)
        headers = {name: numbered(value, n) for name, value in self.headers.items()}
        body = numbered(self.body, n) if self.body else None
        self.client.request(self.method, numbered(self.path, n), name="case", headers=headers, data=body)
