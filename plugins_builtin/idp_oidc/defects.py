"""What can be wrong on demand: tokens, what the browser brings back, errors in place of an answer, and waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias

Claims: TypeAlias = dict[str, Any]
Signing: TypeAlias = Literal["well", "badly", "by_a_stranger", "not_at_all", "with_the_public_key"]
TokenKind: TypeAlias = Literal["access_token", "id_token"]

NONE: Final = "none"
"""The choice of no defect, whatever the configuration says."""
HOUR_S: Final = 3600
MAX_DELAY_MS: Final = 10_000


def _expired(claims: Claims, now_s: int) -> None:
    claims |= {"iat": now_s - 2 * HOUR_S, "exp": now_s - HOUR_S}


def _not_yet_valid(claims: Claims, now_s: int) -> None:
    claims |= {"iat": now_s + HOUR_S, "nbf": now_s + HOUR_S, "exp": now_s + 2 * HOUR_S}


def _set(name: str, value: str) -> Callable[[Claims, int], None]:
    def change(claims: Claims, now_s: int) -> None:
        claims[name] = value

    return change


def _without(name: str) -> Callable[[Claims, int], None]:
    def change(claims: Claims, now_s: int) -> None:
        claims.pop(name, None)

    return change


def _slash(claims: Claims, now_s: int) -> None:
    claims["iss"] += "/"


def _unchanged(claims: Claims, now_s: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with a token: what is changed in its claims, and how it is signed."""

    words: str
    change: Callable[[Claims, int], None] = _unchanged
    signing: Signing = "well"
    kinds: tuple[TokenKind, ...] = ("access_token", "id_token")


_ID: Final[tuple[TokenKind, ...]] = ("id_token",)
TOKEN_DEFECTS: Final[Mapping[str, Defect]] = {
    "expired": Defect("that expired an hour ago", _expired),
    "not-yet-valid": Defect("that are valid in an hour only", _not_yet_valid),
    "wrong-issuer": Defect("of another issuer", _set("iss", "https://wrong-issuer.example")),
    "issuer-with-slash": Defect("with a slash at the end of the issuer", _slash),
    "wrong-audience": Defect("for another audience", _set("aud", "wrong-audience")),
    "wrong-azp": Defect("for another authorized party", _set("azp", "wrong-party"), kinds=_ID),
    "wrong-nonce": Defect("with another nonce", _set("nonce", "wrong-nonce"), kinds=_ID),
    "wrong-at-hash": Defect("with the hash of another access token", _set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), kinds=_ID),
    "missing-iss": Defect("without iss", _without("iss")),
    "missing-sub": Defect("without sub", _without("sub")),
    "missing-aud": Defect("without aud", _without("aud")),
    "missing-exp": Defect("without exp", _without("exp")),
    "missing-iat": Defect("without iat", _without("iat")),
    "missing-nonce": Defect("without nonce", _without("nonce"), kinds=_ID),
    "bad-signature": Defect("with a signature that does not fit", signing="badly"),
    "unknown-kid": Defect("signed by a key that is not published", signing="by_a_stranger"),
    "alg-none": Defect("without a signature (alg none)", signing="not_at_all"),
    "hs256-public-key": Defect("signed by HS256 with the public key", signing="with_the_public_key"),
}
OTHER_DEFECTS: Final[Mapping[str, str]] = {
    "wrong-state": "the browser comes back with another state",
    "missing-state": "the browser comes back without state",
    "wrong-iss-parameter": "the browser comes back from another issuer (RFC 9207)",
    "wrong-userinfo-sub": "userinfo is about somebody else",
}
DEFECTS: Final[Mapping[str, str]] = {**{name: f"tokens {one.words}" for name, one in TOKEN_DEFECTS.items()}, **OTHER_DEFECTS}

AUTHORIZATION_ERRORS: Final = (
    "access_denied", "temporarily_unavailable", "server_error", "login_required", "consent_required", "interaction_required",
    "unauthorized_client", "invalid_scope", "invalid_request",
)  # fmt: skip
TOKEN_ERRORS: Final = (
    "temporarily_unavailable", "server_error", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope", "invalid_request",
)  # fmt: skip
ERRORS: Final = tuple(dict.fromkeys((*AUTHORIZATION_ERRORS, *TOKEN_ERRORS)))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What is to be wrong: of a client, a user, a login or one request."""

    defect: str | None = None
    error: str | None = None
    delay_ms: int | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Behaviour:
        """That of an entry of the configuration, or of parameters that were checked."""
        delay = said.get("delay_ms")
        return cls(said.get("defect") or None, said.get("error") or None, None if delay in (None, "") else int(delay))

    def over(self, other: Behaviour) -> Behaviour:
        """This, and where it says nothing the other."""
        return Behaviour(self.defect or other.defect, self.error or other.error, other.delay_ms if self.delay_ms is None else self.delay_ms)

    @property
    def words(self) -> str:
        """What is wrong, for people; empty where nothing is."""
        return ", ".join(word for word in (self.defect, self.error, f"{self.delay_ms} ms late" if self.delay_ms else None) if word)

    def of_token(self, kind: TokenKind) -> Defect | None:
        """What is wrong with tokens of that kind."""
        only, _, name = (self.defect or "").rpartition(":")
        defect = TOKEN_DEFECTS.get(name)
        return None if defect is None or kind not in defect.kinds or only not in ("", kind) else defect

    def error_among(self, errors: tuple[str, ...]) -> str | None:
        """The error, where it is one of those."""
        return self.error if self.error in errors else None


AS_USUAL: Final = Behaviour()
"""Nothing is wrong."""


def behaviour_problems(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, words) of what is unknown or too much, in an entry or in parameters."""
    if (defect := said.get("defect")) and not _is_defect(defect):
        only, _, name = defect.rpartition(":")
        yield "defect", _unknown("defect", name if only in ("access_token", "id_token") else defect, [NONE, *DEFECTS])
    if (error := said.get("error")) and error != NONE and error not in ERRORS:
        yield "error", _unknown("error", error, [NONE, *ERRORS])
    if (delay := said.get("delay_ms")) not in (None, "") and not _is_delay(str(delay)):
        yield "delay_ms", f"it is not a number of milliseconds up to {MAX_DELAY_MS}"


def _is_delay(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= MAX_DELAY_MS


def _is_defect(text: str) -> bool:
    only, _, name = text.rpartition(":")
    return text == NONE or text in DEFECTS or (name in TOKEN_DEFECTS and only in TOKEN_DEFECTS[name].kinds)


def _unknown(what: str, text: str, known: list[str]) -> str:
    meant = get_close_matches(text, known, 1)
    return f"there is no {what} '{text[:50]}'. " + (f"Did you mean '{meant[0]}'?" if meant else f"Known are {', '.join(known)}")
