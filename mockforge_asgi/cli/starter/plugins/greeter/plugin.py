"""Greets whom the path names. A dict is sent as JSON; None would leave the request to the next one."""

from mockforge_plugin import Request, ResponsePlugin


class Greeter(ResponsePlugin):
    """Answers GET /greet/{name}."""

    def generate(self, request: Request) -> dict[str, str]:
        """The answer to one request."""
        return {"message": f"{self.config['greeting']}, {request.path_params['name']}!"}
