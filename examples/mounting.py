"""MockForge in front of an existing application. With FastAPI installed, `uvicorn examples.mounting:app` serves it.

What no mock answers goes through to the application, untouched.
"""

from fastapi import FastAPI

from mockforge_asgi import MockForge

api = FastAPI()


@api.get("/orders")
async def orders() -> list[str]:
    """The application's own route."""
    return ["one", "two"]


app = MockForge(api, config="examples/quickstart/mockforge.yaml")
