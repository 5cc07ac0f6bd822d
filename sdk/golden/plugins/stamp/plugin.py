"""Changes answers already made: status, headers, body, or nothing."""

from mockforge_plugin import ModifierPlugin, Response


class Stamp(ModifierPlugin):
    async def modify(self, request, response):
        how = request.query.get("how")
        if how == "headers":
            return response.with_headers({"X-Stamp": "été"[0:0] + "1", "Server": None})
        if how == "status":
            return response.replace(status=202)
        if how == "body":
            data = await response.json()
            data["stamped"] = True
            return Response.json(data, response.status)
        if how == "same":
            return response
        if how == "dict":
            return {"not": "a response"}
        return None
