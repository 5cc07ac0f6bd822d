"""Fails in every way an author can."""

from rules import check

from mockforge_plugin import Allow, AuthPlugin, Deny, HostError, PluginError, Principal, Reply, Response, ResponsePlugin, kv, secret


class Failing(AuthPlugin, ResponsePlugin):
    def authenticate(self, request):
        match request.path:
            case "/dict":
                return {"allow": True}
            case "/true":
                return True
            case "/response":
                return Response()
            case "/principal":
                return Allow("ada")
            case "/roles":
                return Allow(Principal("ada", roles="admin"))
            case "/status":
                return Deny(200)
            case "/header":
                return Reply(Response(200, [("x", "a\r\nb: c")]))
            case "/secret":
                return Deny(401, secret("other"))
            case "/claims":
                return Allow(Principal("ada"), claims={"when": {"x": {1, 2}}})
        raise ValueError("no such path: ü")

    async def generate(self, request):
        match request.path:
            case "/code":
                raise PluginError("come back later", code="unavailable", retryable=True, details={"after": 3})
            case "/chain":
                try:
                    check(request.path)
                except KeyError as error:
                    raise RuntimeError("rules are broken") from error
            case "/context":
                try:
                    check(request.path)
                except KeyError:
                    _ = [][0]
            case "/caught":
                try:
                    secret("other")
                except HostError as error:
                    return {"code": error.code, "message": error.message}
            case "/kv":
                await kv.set("k", {1, 2})
            case "/body":
                return Response(200, (), 7)
            case "/exit":
                raise SystemExit(3)
            case "/deep":
                return self.down(0)
        return 5

    def down(self, n):
        return self.down(n + 1)
