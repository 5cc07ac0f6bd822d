"""What logins in browsers need: cookies set, read and deleted, redirects, forms, claims, the query and the body as they came."""

from mockforge_plugin import Allow, AuthPlugin, Deny, Principal, Reply, Response, ResponsePlugin, cookie

REFUSED = {
    "blank": {"name": "a b"},
    "value": {"value": "a;b"},
    "path": {"path": "/x; Domain=example.com"},
    "relative": {"path": "x"},
    "none": {"same_site": "None"},
    "host": {"name": "__Host-a", "secure": False},
    "host path": {"name": "__Host-a", "path": "/x"},
    "secure": {"name": "__Secure-a", "secure": False},
    "long": {"value": "x" * 4096},
}


def is_refused(name="a", value="b", **options):
    try:
        return not cookie(name, value, **options)
    except ValueError:
        return True


class Cookies(AuthPlugin, ResponsePlugin):
    def authenticate(self, request):
        user = request.cookies.get("user")
        if user is None:
            return Reply(Response.redirect("/login").with_cookie("back-to", "/private", max_age_s=600, path="/login"))
        if user == "nobody":
            return Deny(401, "unknown user", "Cookie")
        return Allow(Principal(user), {"by": "cookie"}, (cookie("user", user, max_age_s=3600), cookie("seen", "1", http_only=False)))

    async def generate(self, request):
        match request.path:
            case "/set":
                answer = Response.html("<p>in</p>").with_cookie("one", "1").with_cookie("two", "2", max_age_s=60, path="/x", secure=True)
                return answer.with_cookie("__Host-three", "3", same_site="Strict").with_cookie("four", "", secure=True, same_site="None")
            case "/deleted":
                return Response.redirect("/", 303).without_cookie("one", path="/x").without_cookie("__Host-three")
            case "/refused":
                return Response.json({why: is_refused(**options) for why, options in REFUSED.items()} | {"sound": is_refused()})
            case "/seen":
                raw = (await request.read_raw()).decode()
                seen = {"cookies": [request.cookies.get(n) for n in "abc"], "claims": request.claims, "query": request.query_string}
                return Response.json({**seen, "form": await request.form(), "raw": raw})
        return Response.json([list(await request.form()), request.query_string, request.claims, len(await request.read_raw())])
