"""Several files, all hooks of the lifecycle, two endpoints."""

import shared
import shared.colours as colours
from helper import DEFAULT, twice

from mockforge_plugin import Health, Response, ResponsePlugin, endpoint, kv

from . import helper
from .shared import colours as same


class WithHelpers(ResponsePlugin):
    def validate_config(self, config):
        problems = []
        if "colour" not in config:
            problems.append(("colour", "is missing"))
        elif config["colour"] not in colours.KNOWN:
            problems.append(f"unknown colour {config['colour']}")
        if config.get("fail"):
            raise ValueError("cannot be used at all")
        return problems

    def init(self):
        self.colour = self.config.get("colour", DEFAULT)

    async def start(self):
        await kv.set("started", self.plugin.id)

    async def stop(self):
        await kv.delete("started")

    def destroy(self):
        self.colour = None

    async def health(self):
        return Health("ok" if await kv.get("started") else "degraded", "asked")

    def generate(self, request):
        return {"colour": self.colour, "twice": twice(2), "shared": shared.NAME, "same": same is colours, "helper": helper.DEFAULT,
                "mixed": colours.mix("red", "blue")}

    @endpoint("callback")
    def came_back(self, request):
        return Response.redirect("/done?" + "&".join(f"{k}={v}" for k, v in request.query))

    @endpoint("metadata")
    async def about(self, request):
        return {"colour": self.colour, "started": await kv.get("started")}
