"""Pages of a query's rows, with links; the cursor is the data source's own, passed on as it came."""

from urllib.parse import urlencode

from mockforge_plugin import Response, ResponsePlugin, data


class PagedOrders(ResponsePlugin):
    def can_handle(self, request):
        return request.method == "GET" and request.path == "/orders"

    async def generate(self, request):
        try:
            size = int(request.query.get("size", "2"))
        except ValueError:
            size = 0
        if not 1 <= size <= 100:
            return Response.json({"error": "size must be 1 to 100"}, 400)
        page = await data.query("shop", "orders_of", {"user": request.principal.id}, limit=size, cursor=request.query.get("cursor"))
        names = [column.name for column in page.columns]
        links = {"self": request.path}
        headers = []
        if page.next is not None:
            links["next"] = f"{request.path}?{urlencode({'size': size, 'cursor': page.next})}"
            headers.append(("link", f'<{links["next"]}>; rel="next"'))
        items = [dict(zip(names, row, strict=True)) for row in page.rows]
        return Response.json({"items": items, "total": page.total, "links": links}, headers=headers)
