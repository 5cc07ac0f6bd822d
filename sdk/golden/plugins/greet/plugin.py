"""Greets by name, in JSON, by a template, as an image; leaves other paths alone."""

from mockforge_plugin import Response, ResponsePlugin

PIXEL = bytes.fromhex("89504e470d0a1a0a00ff")


class Greet(ResponsePlugin):
    def can_handle(self, request):
        return request.path.startswith("/hello")

    async def generate(self, request):
        name = request.path_params.get("name")
        if name is None:
            return None
        match request.query.get("as", "json"):
            case "json":
                return Response.json({"hello": name, "by": request.principal.id if request.principal else None})
            case "template":
                return Response.render("greeting.json", {"name": name, "all": request.query.all("x")}, status=201)
            case "image":
                return Response(200, (("content-type", "image/png"),), PIXEL)
            case "text":
                return Response.text(f"Hello, {name}!", headers={"x-fingerprint": request.fingerprint[:4]})
            case "echo":
                return Response.json({"cookies": request.cookies, "text": await request.text(), "form": await request.form(),
                                      "headers": request.headers, "url": request.url, "client": request.client})
        return Response(406)
