"""The pages of the built-in identity providers: who logs in and what is to be wrong, on the way back, and what went wrong.

Tests drive them by what does not change: the form `login` has the buttons `user-NAME` and `cancel`, the field `password` where somebody has
one, and a choice for each of `choices`. The same file stands in every built-in identity provider; a test keeps them alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from mockforge_plugin import Response
from mockforge_plugin.login import page

_STYLE: Final = (
    "h1{font-size:1.4rem}.to{overflow-wrap:anywhere}#message::first-letter{text-transform:uppercase}"
    ".people{list-style:none;padding:0;display:grid;gap:.5rem}"
    ".people button{width:100%;text-align:left;cursor:pointer;padding:.6rem .9rem;border:1px solid #8888;border-radius:.5rem}"
    ".people button:hover,.people button:focus-visible{border-color:#36f;outline:2px solid #36f}"
    ".people small{display:block;opacity:.75;overflow-wrap:anywhere}"
    "fieldset{border:1px solid #8885;border-radius:.5rem;padding:.8rem 1rem;margin:1rem 0}legend{padding:0 .4rem}"
    "label{display:block;margin-top:.4rem}select,input{font:inherit;max-width:100%;width:100%;box-sizing:border-box;padding:.3rem}"
    "select,input,button{border:1px solid #8888;border-radius:.4rem}"
    ".wrong{color:#b00020}.note{opacity:.75;font-size:.9rem}"
    "@media(prefers-color-scheme:dark){body{background:#16181d;color:#e8e8ea}.wrong{color:#ff8a80}"
    "select,input,button{color:inherit;background:#222630}}"
)
_SUBMIT: Final = "document.getElementById('on').submit()"
_FOR_TESTS: Final = "This identity provider is for tests: whoever can open this page can be anybody."


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in, as the page shows them."""

    id: str
    name: str
    details: Sequence[str] = ()
    has_password: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A field in which one of several is chosen: values with their words."""

    name: str
    label: str
    options: Mapping[str, str]
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What the login page holds; `hidden` goes with the form as it is."""

    action: str
    to: str
    people: Sequence[Person]
    choices: Sequence[Choice] = ()
    hidden: Sequence[tuple[str, str]] = ()
    wrong: str | None = None
    headers: Iterable[tuple[str, str]] = field(default_factory=tuple)
    form_targets: Iterable[str] | None = ("'self'",)
    """Where the answer to the form may redirect to (CSP sources; None: anywhere)."""


def login_page(form: LoginForm) -> Response:
    """Where somebody chooses who they are: one button each."""
    wrong = "" if form.wrong is None else f'<p class="wrong" id="error" role="alert">{escape(form.wrong)}</p>'
    password = (
        '<label for="password">Password, of those who have one</label>'
        '<input type="password" id="password" name="password" autocomplete="current-password">'
    )
    people = "".join(map(_person, form.people))
    body = (
        f'<p class="to">to <strong id="to">{escape(form.to)}</strong></p>{wrong}'
        f'<form id="login" method="post" action="{escape(form.action)}">{_hidden(form.hidden)}'
        f"{password if any(person.has_password for person in form.people) else ''}"
        f'<ul class="people">{people}</ul>'
        f"{_choices(form.choices)}"
        '<p><button type="submit" name="cancel" value="yes" id="cancel">Cancel</button></p></form>'
        f'<p class="note">{_FOR_TESTS}</p>'
    )
    status = 200 if form.wrong is None else 400
    return page("Log in", body, status=status, headers=form.headers, form_targets=form.form_targets, style=_STYLE, referrer="same-origin")


def onward_page(action: str, fields: Sequence[tuple[str, str]], headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A form that sends itself there, and has a button where scripts are off. Where that redirects to is not held to the form's address."""
    body = (
        f'<form id="on" method="post" action="{escape(action)}">{_hidden(fields)}'
        '<noscript><p><button type="submit">Continue</button></p></noscript></form>'
    )
    return page("One moment", body, headers=headers, form_targets=None, style=_STYLE, script=_SUBMIT, referrer="strict-origin")


def asking_page(title: str, words: str, action: str, button: str, hidden: Sequence[tuple[str, str]] = ()) -> Response:
    """A question with one button, `yes`."""
    form = f'<form id="ask" method="post" action="{escape(action)}">{_hidden(hidden)}'
    body = f'<p>{escape(words)}</p>{form}<p><button type="submit" id="yes">{escape(button)}</button></p></form>'
    return page(title, body, style=_STYLE, referrer="same-origin")


def message_page(title: str, words: str, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A page that only says something."""
    return page(title, f'<p id="message" class="to">{escape(words)}</p>', status=status, headers=headers, style=_STYLE)


def _person(person: Person) -> str:
    details = " · ".join(filter(None, person.details))
    shown = f"<strong>{escape(person.name)}</strong>" + (f"<small>{escape(details)}</small>" if details else "")
    return f'<li><button type="submit" name="user" value="{escape(person.id)}" id="user-{escape(person.id)}">{shown}</button></li>'


def _choices(choices: Sequence[Choice]) -> str:
    if not choices:
        return ""
    return f"<fieldset><legend>For this login</legend>{''.join(map(_choice, choices))}</fieldset>"


def _choice(choice: Choice) -> str:
    def option(value: str, words: str) -> str:
        return f'<option value="{escape(value)}"{" selected" if value == choice.chosen else ""}>{escape(words)}</option>'

    options = "".join(option(value, words) for value, words in choice.options.items())
    name = escape(choice.name)
    return f'<label for="{name}">{escape(choice.label)}</label><select id="{name}" name="{name}">{options}</select>'


def _hidden(fields: Sequence[tuple[str, str]]) -> str:
    return "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields)
