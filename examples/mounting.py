"""MockForge in front of an existing application. With FastAPI installed, `uvicorn examples.mounting:app` serves it.

What no mock answers goes through to the application, untouched. An application that sets a root path for itself serves each resource at two
paths: rules guard both. FastAPI's is seen; of others, tell it: `MockForge(app, ..., root_path="/api")`.
"""

from fastapi import FastAPI

from mockforge_asgi import MockForge

api = FastAPI()


@api.get("/orders")
async def orders() -> list[str]:
    """The application's own route."""
    return ["one", "two"]


app = MockForge(api, config="examples/quickstart/mockforge.yaml")
