"""idp-saml: a SAML 2.0 identity provider for tests, whose assertions are as good, or as bad, as they are asked to be.

`messages` unpacks what comes, `login` and `logout` make what is sent; here is who is answered, and with what.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

from mockforge_plugin import HostError, PluginError, Query, Request, Response, endpoint, now, secret
from mockforge_plugin.plugin import Plugin

from . import service_providers, settings
from .assertions import BAD_NAME_ID_POLICY, NO_PASSIVE, REQUEST_DENIED, REQUESTER, RESPONDER
from .defects import DEFECTS, NONE, Seal
from .elements import POST, new_id
from .keys import BadKey, KeyRing, Signer
from .login import Asked, Issuer
from .logout import Logouts
from .messages import BadMessage, LoginRequest, from_form, from_query
from .metadata import BadMetadata, document
from .page import Choice, LoginForm, Person, asking_page, login_page, message_page, onward_page
from .service_providers import Listed, ServiceProvider, on_this_machine
from .sessions import Session, Sessions
from .settings import Addresses, BadAddress, User

_NONE: Final = {NONE: "nothing"}
_WRONG_PASSWORD: Final = "That is not this user's password."
_Method = Callable[["SamlIdp", Request, Addresses], Response]


def _served(name: str) -> Callable[[_Method], Callable[[SamlIdp, Request], Response]]:
    """An endpoint that is told this provider's addresses, and answers with a page what cannot be done."""

    def mark(method: _Method) -> Callable[[SamlIdp, Request], Response]:
        @endpoint(name)
        @wraps(method)
        def called(self: SamlIdp, request: Request) -> Response:
            try:
                return method(self, request, Addresses.of(self.config, request, f"/{name}"))
            except (BadMessage, BadAddress) as error:
                return _told(request, 400, str(error))
            except BadMetadata as error:
                return _told(request, 502, str(error))
            except HostError as error:
                if error.code not in ("limit", "unavailable"):
                    raise
                return _told(request, 503, "the storage of this provider is full or away")

        return called

    return mark


class SamlIdp(Plugin):
    """An identity provider: metadata, login by redirect and form, logout."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return [*settings.problems(config), *service_providers.problems(config["service_providers"])]

    def init(self) -> None:
        """Read the configuration, and the keys that it names. Raises BadKey."""
        config = self.config
        self.keys = KeyRing([_signer(config[name]) for name in ("key", "next_key") if name in config], config["roll_over"])
        self.users, self.listed = settings.users(config), Listed(config)
        self.issuer, self.sessions = Issuer(config, self.keys), Sessions(config["session_s"])
        self.logouts = Logouts(self.listed, self.sessions, self.keys)

    def start(self) -> None:
        """Make the keys, once for all workers."""
        self.keys.keys(now().timestamp())

    @_served("metadata")
    def metadata(self, request: Request, at: Addresses) -> Response:
        """What service providers have to know of this one."""
        data = document(at, self.keys.keys(_now()), wants_signed_requests=self.config["signed_requests"])
        return Response(200, (("content-type", "application/samlmetadata+xml"), ("cache-control", "no-cache")), data)

    @_served("sso")
    def sso(self, request: Request, at: Addresses) -> Response:
        """A login that a service provider asks for (SAML profiles §4.1): the page, or what was chosen on it."""
        form = _form(request)
        message = from_query(request.query_string or "") if request.query.get("SAMLRequest") is not None else from_form(form)
        wanted = LoginRequest.read(message)
        provider = self._addressee(wanted, at)
        message.check(at.at("sso"), provider.certificates, must_be_signed=provider.signs_requests or self.config["signed_requests"])
        asked = Asked(provider, _address(provider, wanted), message.relay_state, wanted)
        if _is_choice(form):
            return self._chosen(request, form, asked, at)
        session = None if wanted.is_forced else self.sessions.of_request(request)
        user = None if session is None else self.users.get(session.user)
        if user is not None and (wanted.is_passive or self.config["remember"]):
            return self._log_in(request, asked, user, self._defect(Query(), request, asked, user), at, session)
        if wanted.is_passive:
            return self._refuse(request, asked, (RESPONDER, NO_PASSIVE), "nobody is logged in, and nobody may be asked", at)
        hidden = [(name, value) for name, value in form if name in ("SAMLRequest", "RelayState")]
        return self._page(request, asked, f"{at.at('sso')}{_query(request)}", hidden)

    @_served("login")
    def login(self, request: Request, at: Addresses) -> Response:
        """A login that begins here (SAML profiles §4.1.5): the page, or what was chosen on it."""
        form, query = _form(request), request.query
        said = {name: form.get(name) or query.get(name) for name in ("sp", "acs", "RelayState", "in_response_to")}
        if said["sp"] is None and len(self.listed.names()) == 1:
            said["sp"] = next(iter(self.listed.names()))
        if said["sp"] is None and not self.listed.names():
            raise BadMessage("it is not said where to log in: list `service_providers`, or open this page with `?sp=ENTITY_ID&acs=ADDRESS`")
        if said["sp"] is None:
            return self._page(request, None, f"{at.at('login')}{_query(request)}")
        provider = self.listed.find(said["sp"]) or self._stranger(said["sp"], said["acs"], at)
        if provider is None and _wants_json(request) and said["acs"] is not None:
            provider = ServiceProvider(said["sp"], (said["acs"],), seal=Seal(self.config["sign"]))  # whoever asks keeps the response
        if provider is None:
            raise BadMessage(_unknown(said["sp"], said["acs"]))
        acs = provider.address(said["acs"], None)
        if acs is None:
            raise BadMessage(f"{said['acs']} is not an address of {provider.entity_id}")
        asked = Asked(provider, acs, said["RelayState"], in_response_to=said["in_response_to"] if _wants_json(request) else None)
        if _is_choice(form):
            return self._chosen(request, form, asked, at)
        return self._page(request, asked, f"{at.at('login')}{_query(request)}")

    @_served("slo")
    def slo(self, request: Request, at: Addresses) -> Response:
        """A logout that a service provider asks for, or what it says of one that it was asked for (SAML profiles §4.4)."""
        is_query = any(name in ("SAMLRequest", "SAMLResponse") for name, _ in request.query)
        message = from_query(request.query_string or "") if is_query else from_form(_form(request))
        return self.logouts.of_message(message, request, at, _now())

    @_served("logout")
    def logout(self, request: Request, at: Addresses) -> Response:
        """A logout that begins here: asked about first, since a link may have led here."""
        session = self.sessions.of_request(request)
        if session is None:
            return message_page("Logged out", "Nobody is logged in here.")
        if request.method != "POST":
            return asking_page(
                "Log out", f"{session.user} is logged in. End this here, and wherever it was used?", at.at("logout"), "Log out"
            )
        _check_origin(request, at)
        return self.logouts.of_browser(session, at, _now())

    def _addressee(self, wanted: LoginRequest, at: Addresses) -> ServiceProvider:
        provider = self.listed.find(wanted.issuer) or self._stranger(wanted.issuer, wanted.acs, at)
        if provider is None:
            raise BadMessage(_unknown(wanted.issuer, wanted.acs))
        return provider

    def _stranger(self, entity_id: str, acs: str | None, at: Addresses) -> ServiceProvider | None:
        said = self.config.get("unknown_service_providers")
        is_welcome = said == "loopback" or (said is None and not self.config["service_providers"] and at.is_on_loopback)
        return on_this_machine(entity_id, acs, Seal(self.config["sign"])) if is_welcome else None

    def _page(
        self, request: Request, asked: Asked | None, action: str, hidden: Sequence[tuple[str, str]] = (), wrong: str | None = None
    ) -> Response:
        people = [
            Person(
                user.id,
                user.name or user.id,
                (user.email or "", ", ".join(user.roles), "password" if user.password else ""),
                bool(user.password),
            )
            for user in self.users.values()
        ]
        defects = {name: f"{name}: {defect.words}" for name, defect in DEFECTS.items()}
        configured = request.query.get("defect") or (asked and asked.provider.defect) or any(user.defect for user in self.users.values())
        nothing = {"": "as configured", **_NONE} if configured else {"": "nothing"}
        choices = [Choice("defect", "What is wrong with the assertion", {**nothing, **defects})]
        if asked is None:
            choices.insert(0, Choice("sp", "Service provider", self.listed.names()))
        to = "one of the service providers below" if asked is None else asked.provider.name or asked.provider.entity_id
        return login_page(LoginForm(action, to, people, choices, hidden, wrong))

    def _chosen(self, request: Request, form: Query, asked: Asked, at: Addresses) -> Response:
        _check_origin(request, at)
        if form.get("cancel") is not None:
            return self._refuse(request, asked, (RESPONDER, REQUEST_DENIED), "the user does not want to log in", at)
        user = self.users.get(form.get("user") or "")
        if user is None:
            raise BadMessage("there is no such user")
        if user.password is not None and not _is_same(form.get("password") or "", secret(user.password)):
            if _wants_json(request):
                raise BadMessage(_WRONG_PASSWORD)
            hidden = [(name, value) for name, value in form if name in ("SAMLRequest", "RelayState", "sp", "acs")]
            endpoint = "login" if asked.request is None else "sso"
            return self._page(request, asked, f"{at.at(endpoint)}{_query(request)}", hidden, _WRONG_PASSWORD)
        return self._log_in(request, asked, user, self._defect(form, request, asked, user), at, self.sessions.of_request(request))

    def _defect(self, form: Query, request: Request, asked: Asked, user: User) -> str:
        found = form.get("defect") or request.query.get("defect") or user.defect or asked.provider.defect or NONE
        if found != NONE and found not in DEFECTS:
            raise BadMessage(f"there is no defect of that name; there are {', '.join(DEFECTS)}")
        return found

    def _log_in(self, request: Request, asked: Asked, user: User, defect: str, at: Addresses, session: Session | None) -> Response:
        name_id = user.name_id(asked.format(settings.name_id_format(self.config)))
        if name_id is None:
            return self._refuse(request, asked, (REQUESTER, BAD_NAME_ID_POLICY), f"{user.id} has no name of the format that is wanted", at)
        headers: list[tuple[str, str]] = []
        if _wants_json(request):
            session = Session(new_id(), user.id)
        elif session is None or session.user != user.id:
            if session is not None:
                self.sessions.end(session)
            session, headers = self.sessions.begin(user.id, at)
        data = self.issuer.response(asked, user, name_id, session.index, defect, at, _now())
        if not _wants_json(request):
            self.sessions.join(session, asked.provider.entity_id, name_id)
        return _onward(request, asked, data, headers)

    def _refuse(self, request: Request, asked: Asked, codes: tuple[str, str], words: str, at: Addresses) -> Response:
        return _onward(request, asked, self.issuer.refusal(asked, at, codes, words, _now()))


def _onward(request: Request, asked: Asked, data: bytes, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """The response on its way: by the browser, or to a test that wants it for itself."""
    fields = asked.fields(data)
    if _wants_json(request):
        return Response.json({"acs": asked.acs, **dict(fields)}, headers=[("cache-control", "no-store")])
    return onward_page(asked.acs, fields, headers)


def _told(request: Request, status: int, words: str) -> Response:
    """What went wrong, on a page, or for a test that wants JSON."""
    if _wants_json(request):
        return Response.json({"error": "this does not work", "message": words}, status)
    return message_page("This does not work", words, status=status)


def _form(request: Request) -> Query:
    if request.method != "POST":
        return Query()
    try:
        return request.form().result()
    except ValueError as error:
        raise BadMessage("the form is not application/x-www-form-urlencoded") from error


def _is_choice(form: Query) -> bool:
    """Whether it comes from the login page."""
    return any(name in ("user", "cancel") for name, _ in form)


def _wants_json(request: Request) -> bool:
    return request.method == "POST" and (request.header("accept") or "").startswith("application/json")


def _check_origin(request: Request, at: Addresses) -> None:
    """That the form was a page of this provider's own, or no browser sent it. Raises BadMessage."""
    origin = request.header("origin")
    if origin not in (None, at.origin) or request.header("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise BadMessage(f"the form was sent by a page of {origin}, and this is {at.origin}: open the login here, or set `public_url`")


def _address(provider: ServiceProvider, wanted: LoginRequest) -> str:
    if wanted.binding != POST:
        raise BadMessage(f"{wanted.issuer} wants its response by {wanted.binding}, and this provider sends them by {POST}")
    found = provider.address(wanted.acs, wanted.acs_index)
    if found is None:
        asked = wanted.acs or f"address number {wanted.acs_index}"
        raise BadMessage(f"{asked} is not an address of {provider.entity_id}, which has {', '.join(provider.acs) or 'none'}")
    return found


def _unknown(entity_id: str, acs: str | None) -> str:
    said = "wants no particular address" if acs is None else f"wants its assertions at {acs}"
    remedy = "List it under `service_providers`; one that is not listed needs an address on this machine, given in its request"
    return f"The service provider {entity_id} is not known here, and {said}. {remedy}."


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _signer(name: str) -> Signer:
    try:
        return Signer.read(secret(name))
    except BadKey as error:
        raise PluginError(f"the secret '{name}': {error}", code="invalid_config") from error


def _query(request: Request) -> str:
    return f"?{request.query_string}" if request.query_string else ""


def _now() -> float:
    return now().timestamp()
