"""Every host call, awaited and waited for: the answers are the same."""

from mockforge_plugin import ResponsePlugin, data, http, kv, now, resource, secret, sleep


class Awaiting(ResponsePlugin):
    async def generate(self, request):
        if request.path == "/sync":
            return self.all_sync(request)
        found = await http.post("https://idp.example/token", json={"a": "ü"}, headers={"x-a": "1"})
        rows = await data.query("shop", "orders", {"user": 1}, limit=2)
        return {
            "added": [await kv.add_if_absent("n", 1, ttl_s=60), await kv.add_if_absent("n", 1)],
            "count": [await kv.incr("c"), await kv.incr("c", 5)],
            "swap": [await kv.compare_and_set("s", None, "a"), await kv.compare_and_set("s", "b", "c")],
            "get": [await kv.get("s"), await kv.get("none", "default"), await kv.delete("s"), await kv.delete("s")],
            "http": [found.status, found.headers.get("Content-Type"), found.json()],
            "rows": rows.rows, "columns": [column.name for column in rows.columns], "next": rows.next,
            "file": (await resource("data/hello.txt")).decode(), "body": (await request.read(offset=2, length=3)).decode(),
            "secret": secret("token"), "now": now().isoformat(), "slept": await sleep(0.001),
        }

    def all_sync(self, request):
        found = http.request("POST", "https://idp.example/token", json={"a": "ü"}, headers={"x-a": "1"}).result()
        rows = data.query("shop", "orders", {"user": 1}, limit=2).result()
        return {
            "added": [kv.add_if_absent("n2", 1, ttl_s=60).result(), kv.add_if_absent("n2", 1).result()],
            "count": [kv.incr("c2").result(), kv.incr("c2", 5).result()],
            "swap": [kv.compare_and_set("s2", None, "a").result(), kv.compare_and_set("s2", "b", "c").result()],
            "get": [kv.get("s2").result(), kv.get("none", "default").result(), kv.delete("s2").result(), kv.delete("s2").result()],
            "http": [found.status, found.headers.get("Content-Type"), found.json()],
            "rows": rows.rows, "columns": [column.name for column in rows.columns], "next": rows.next,
            "file": resource("data/hello.txt").result().decode(), "body": request.read(offset=2, length=3).result().decode(),
            "secret": secret("token"), "now": now().isoformat(), "slept": sleep(0.001).result(),
        }
