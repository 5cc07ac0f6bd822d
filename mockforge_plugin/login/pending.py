"""Logins under way: what must be remembered while the browser is at the identity provider.

It stands in an encrypted cookie of the browser that began the login, so that logins begun by strangers cost no storage, and no other
browser can finish it. Which ones were finished stands in key-value storage, in a bounded number of buckets.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin.cookies import SameSite
from mockforge_plugin.failure import PluginError
from mockforge_plugin.host import kv, now
from mockforge_plugin.login.cookies import LoginCookie, SetHeaders
from mockforge_plugin.login.failed import LoginFailed as LoginFailed
from mockforge_plugin.login.redirects import local_path
from mockforge_plugin.login.sessions import Sessions
from mockforge_plugin.request import Request
from mockforge_plugin.values import Json

MAX_AT_A_TIME: Final = 4
"""The most logins of one browser that are under way (several tabs); the oldest makes room."""
BUCKETS: Final = 512
FINISHED_OF_BUCKET: Final = 64
"""With more within `login_s` the oldest are forgotten: another use of those is then left to the provider to refuse."""
_ATTEMPTS: Final = 50
_ELSEWHERE: Final = "this login was not begun in this browser, or it took too long; begin again"
_USED: Final = "this login was finished before; begin again"


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that came back. `return_to` is a path on this origin, `set_headers` belong on the answer: they forget the login."""

    return_to: str
    data: Mapping[str, Json]
    set_headers: SetHeaders


class PendingLogins:
    """The logins under way of one plugin."""

    def __init__(self, sessions: Sessions, *, same_site: SameSite = "Lax") -> None:
        """`same_site` "None" for providers whose answer is a form posted from their own pages (it needs a cookie that is Secure)."""
        self._settings, self._sealer = sessions.settings, sessions.sealer
        self.cookie = LoginCookie(self._settings.login_cookie, self._settings, same_site=same_site)

    async def begin(self, request: Request, *, return_to: str, data: Mapping[str, Json]) -> tuple[str, SetHeaders]:
        """(the state to send along, headers for the answer). Anything but a path on this origin to return to becomes `/`.

        `data` is for `finish`: a nonce, a PKCE verifier, the id of a request. Raises PluginError for too much of it.
        """
        now_s = now().timestamp()
        state = secrets.token_urlsafe(16)
        made = {"s": state, "r": local_path(return_to), "d": dict(data), "e": now_s + self._settings.login_s}
        waiting = [*await self._waiting(request, now_s), made][-MAX_AT_A_TIME:]
        while len(value := await self._sealer.seal(waiting, "login")) > self.cookie.room(request):
            if len(waiting) == 1:
                raise PluginError("what is to be remembered of a login is too long for a cookie", code="limit")
            del waiting[0]
        return state, self.cookie.headers(request, value, self._settings.login_s)

    async def finish(self, request: Request, state: str) -> Pending:
        """The login with that state, once. Raises LoginFailed for one that is unknown, late, another browser's or finished before.

        Raises HostError where storage fails.
        """
        now_s = now().timestamp()
        waiting = await self._waiting(request, now_s)
        sent = state.encode("utf-8", "replace")
        found = next((each for each in waiting if hmac.compare_digest(each["s"].encode(), sent)), None)
        if found is None:
            raise LoginFailed(_ELSEWHERE)
        await self._use(found["s"], found["e"], now_s)
        left = [each for each in waiting if each is not found]
        headers = self.cookie.gone(request)
        if left:
            headers = self.cookie.headers(request, await self._sealer.seal(left, "login"), left[-1]["e"] - now_s)
        return Pending(local_path(found["r"]), found["d"], headers)

    async def _waiting(self, request: Request, now_s: float) -> list[dict[str, Any]]:
        """This browser's logins under way, oldest first."""
        value = self.cookie.value(request)
        held = None if value is None else await self._sealer.open(value, "login")
        return [each for each in held or () if now_s < each["e"] <= now_s + self._settings.login_s + 300]

    async def _use(self, state: str, ends_s: float, now_s: float) -> None:
        """Note that it is finished; of several who try, one succeeds."""
        digest = hashlib.sha256(state.encode()).hexdigest()
        key = f"finished/{int(digest[:8], 16) % BUCKETS}"
        for _ in range(_ATTEMPTS):
            held = await kv.get(key)
            noted = [each for each in held or () if each[1] > now_s]
            if any(each[0] == digest[:24] for each in noted):
                raise LoginFailed(_USED)
            noted = [*noted, [digest[:24], ends_s]][-FINISHED_OF_BUCKET:]
            if await kv.compare_and_set(key, held, noted, ttl_s=max(each[1] for each in noted) - now_s):
                return
        raise PluginError("too many logins are being finished at once", code="unavailable", retryable=True)
