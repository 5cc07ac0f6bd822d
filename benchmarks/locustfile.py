"""What locust runs: one path at a stated rate, with stated headers."""

from __future__ import annotations

import json
from argparse import ArgumentParser

from locust import FastHttpUser, constant_throughput, events, task

USERS = 20


@events.init_command_line_parser.add_listener
def options(parser: ArgumentParser) -> None:
    """Our own options."""
    parser.add_argument("--path", default="/")
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--request-headers", default="{}")


class Caller(FastHttpUser):
    """Sends its share of the rate."""

    def wait_time(self) -> float:
        """The pause that keeps the rate."""
        pause: float = constant_throughput(self.environment.parsed_options.rate / USERS)(self)
        return pause

    def on_start(self) -> None:
        """Read the options once."""
        self.path = self.environment.parsed_options.path
        self.headers = json.loads(self.environment.parsed_options.request_headers)

    @task
    def call(self) -> None:
        """One request."""
        self.client.get(self.path, headers=self.headers)
