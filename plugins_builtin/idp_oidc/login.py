"""Logins: who is asked, what the login page offers, and the way back to the client."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from typing import Any, Final

from mockforge_plugin import Request, Response, sleep

from .authorization import PARAMETERS, Authorization, Return
from .defects import AUTHORIZATION_ERRORS, DEFECTS, ERRORS, NONE, Behaviour
from .grants import Grants
from .oauth import Form, OAuthError
from .page import Choice, LoginForm, Person, login_page
from .sessions import Session, Sessions
from .settings import Addresses, Client, User

_CHOICES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "defect": ("What is wrong", DEFECTS),
    "error": ("Error in place of an answer", {error: error for error in ERRORS}),
}


class Logins:
    """Answers authorization requests, and the form of the page that they lead to."""

    def __init__(self, config: Mapping[str, Any], users: Mapping[str, User], sessions: Sessions, grants: Grants) -> None:
        self._config, self._users, self._sessions, self._grants = config, users, sessions, grants
        self._scopes: Collection[str] | None = config.get("scopes")

    async def begin(self, request: Request, form: Form, client: Client, at: Addresses, now_s: int) -> Response:
        """The page; or the way back, where nobody need be asked or nobody may be. Raises BadAddressee."""
        back = Return.of(form, client, at.issuer)
        try:
            asked = Authorization.of(form, client, back, self._scopes)
            await _behave(asked.behaviour.over(client.behaviour))
            session = await self._sessions.of_request(request)
            user = self._users.get(session.user) if session is not None and _is_fresh(session, asked, now_s) else None
            if user is not None and session is not None and ("none" in asked.prompts or self._config["remember"]):
                behaviour = asked.behaviour.over(user.behaviour).over(client.behaviour)
                _raise_wanted(behaviour)
                return await self._granted(asked, user, session, behaviour, now_s)
            if "none" in asked.prompts:
                raise OAuthError("login_required", "nobody is logged in, and nobody may be asked")
            if (automatic := self._config.get("auto_login")) is not None:
                return await self._logged_in(request, asked, self._users[automatic], at, now_s)
        except OAuthError as error:
            return back.error(error)
        return self._page(form, asked, at)

    async def chosen(self, request: Request, form: Form, client: Client, at: Addresses, now_s: int) -> Response:
        """What was chosen on the page. Raises BadAddressee."""
        back = Return.of(form, client, at.issuer)
        try:
            asked = Authorization.of(form, client, back, self._scopes)
            if "cancel" in form:
                raise OAuthError("access_denied", "the user cancelled the login")
            user = self._users.get(form.get("user", ""))
            if user is None or not _is_password(user, form.get("password", "")):
                return self._page(form, asked, at, "There is no such user." if user is None else "The password is wrong.")
            return await self._logged_in(request, asked, user, at, now_s)
        except OAuthError as error:
            return back.error(error)

    async def _logged_in(self, request: Request, asked: Authorization, user: User, at: Addresses, now_s: int) -> Response:
        behaviour = asked.behaviour.over(user.behaviour).over(asked.client.behaviour)
        await _behave(behaviour)
        session, header = await self._sessions.begin(request, user.id, now_s, at)
        response = await self._granted(asked, user, session, behaviour, now_s)
        return Response(response.status, (*response.headers, header), response.body)

    async def _granted(self, asked: Authorization, user: User, session: Session, behaviour: Behaviour, now_s: int) -> Response:
        grant = await self._grants.for_login(asked, user, behaviour, session.sid, session.began_s, now_s)
        return asked.back.response(behaviour, code=str(grant.handle))

    def _page(self, form: Form, asked: Authorization, at: Addresses, wrong: str | None = None) -> Response:
        people = [_person(user) for user in self._users.values()]
        people.sort(key=lambda person: person.id != asked.login_hint)
        return login_page(
            LoginForm(
                action=at.at("/login"),
                to=asked.client.name or asked.client.id,
                people=people,
                choices=[_choice(name, label, form.get(name, ""), known) for name, (label, known) in _CHOICES.items()],
                hidden=[(name, form[name]) for name in PARAMETERS if name in form and name not in _CHOICES],
                wrong=wrong,
                form_targets=None,  # browsers hold the client's own redirects to them, too
            )
        )


async def _behave(behaviour: Behaviour) -> None:
    """Wait as long as is wanted, and raise the error that is wanted."""
    if behaviour.delay_ms:
        await sleep(behaviour.delay_ms / 1000)
    _raise_wanted(behaviour)


def _raise_wanted(behaviour: Behaviour) -> None:
    if (error := behaviour.error_among(AUTHORIZATION_ERRORS)) is not None:
        raise OAuthError(error, "this error was asked for")


def _is_fresh(session: Session, asked: Authorization, now_s: int) -> bool:
    """Whether the session will do (OIDC Core §3.1.2.1: prompt, max_age)."""
    is_old = asked.max_age_s is not None and now_s - session.began_s > asked.max_age_s
    return not is_old and not asked.prompts & {"login", "select_account"}


def _is_password(user: User, given: str) -> bool:
    if user.password is None:
        return True
    return hmac.compare_digest(hashlib.sha256(user.password.encode()).digest(), hashlib.sha256(given.encode()).digest())


def _person(user: User) -> Person:
    details = (user.id, user.email or "", ", ".join(user.roles), user.behaviour.words)
    return Person(user.id, user.name or user.id, details, user.password is not None)


def _choice(name: str, label: str, chosen: str, known: Mapping[str, str]) -> Choice:
    options = {"": "as configured", NONE: "nothing", **known}
    return Choice(name, label, options if chosen in options else {**options, chosen: chosen}, chosen)
