"""Single logout, begun at a service provider or here, through the service providers of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from saml2 import BINDING_HTTP_POST
from saml2.saml import NAMEID_FORMAT_UNSPECIFIED, NameID

from plugins_builtin.idp_saml.tests.conftest import Listed
from plugins_builtin.idp_saml.tests.pages import form_of, said
from plugins_builtin.idp_saml.tests.parties import NodeParty, Party, Python3Saml, Taken, browser


@dataclass(slots=True)
class Person:
    """Somebody with a browser, who is led about by redirects and forms."""

    listed: Listed
    http: httpx.Client
    told: list[str] = field(default_factory=list)
    """The service providers that were asked to end the session, in order."""

    def log_in(self, party: Party, user: str = "ada") -> Taken:
        """At a service provider."""
        begun = party.begin()
        self.http.get(begun.url).raise_for_status()
        form = form_of(self.http.post(begun.url, data={"user": user}))
        assert form.action == party.acs
        return party.take(form.fields["SAMLResponse"], begun)

    def led(self, answer: httpx.Response) -> httpx.Response | str:
        """Where it ends: the last page, or the address at python3-saml's service provider, which has no server."""
        for _ in range(20):
            if answer.status_code == 302:
                url = answer.headers["location"]
                if url.startswith("http://127.0.0.1:9001/"):
                    if "SAMLResponse=" in url:
                        return str(url)
                    self.told.append("python3-saml")
                    auth = self.listed.python3_saml.auth("/slo", get_data=_query(url), query_string=urlsplit(url).query)
                    url = auth.process_slo(keep_local_session=True)
                    assert auth.get_errors() == []
                elif "SAMLRequest=" in url:
                    self.told.append(urlsplit(url).path.split("/")[2])
                answer = self.http.get(url)
            elif 'id="on"' in answer.text:
                answer = self._posted(answer)
            else:
                return answer
        raise AssertionError("it never ends")

    def _posted(self, answer: httpx.Response) -> httpx.Response:
        form = form_of(answer)
        if form.action != "http://127.0.0.1:9002/slo":
            self.told += ["node-saml"] if "SAMLRequest" in form.fields else []
            return self.http.post(form.action, data=form.fields)
        # pysaml2, which has no server either
        self.told.append("pysaml2")
        client, name_id = self.listed.pysaml2.client, NameID(format=NAMEID_FORMAT_UNSPECIFIED, text="ada")
        sent = client.handle_logout_request(form.fields["SAMLRequest"], name_id, BINDING_HTTP_POST, relay_state="")
        back = form_of(httpx.Response(200, text=str(sent["data"]).replace('<input type="hidden" ', '<input type="hidden"')))
        return self.http.post(back.action, data=back.fields)


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
def person(listed: Listed) -> Iterator[Person]:
    with browser() as http:
        yield Person(listed, http)


def _ask(sp: Python3Saml, taken: Taken, **more: str) -> str:
    """The address to which it sends the browser."""
    given = {"name_id": taken.name, "session_index": taken.session, "return_to": "/bye", **more}
    return str(sp.auth().logout(name_id_format=NAMEID_FORMAT_UNSPECIFIED, **given))


def test_a_service_provider_ends_the_session_everywhere(person: Person, listed: Listed) -> None:
    sp = listed.python3_saml
    taken = person.log_in(sp)
    for other in (listed.pysaml2, listed.parties["node-saml"]):
        assert person.log_in(other).session == taken.session
    url = person.led(person.http.get(_ask(sp, taken)))
    assert person.told == ["pysaml2", "node-saml"] and isinstance(url, str)
    back = sp.auth("/slo", get_data=_query(url), query_string=urlsplit(url).query)
    back.process_slo(keep_local_session=True)
    assert (back.get_errors(), _query(url)["RelayState"]) == ([], "/bye")
    assert said(person.http.get(f"{listed.idp.base}/logout")) == "Nobody is logged in here."
    again = person.led(person.http.get(_ask(sp, taken)))
    assert isinstance(again, str) and person.told == ["pysaml2", "node-saml"]  # over already, and answered all the same


def test_a_logout_that_begins_here_is_asked_about_and_goes_everywhere(person: Person, listed: Listed) -> None:
    for party in (listed.python3_saml, listed.pysaml2):
        person.log_in(party)
    page = person.http.get(f"{listed.idp.base}/logout")
    assert "ada is logged in" in page.text and person.told == []
    ended = person.led(person.http.post(form_of(page).action, headers={"origin": listed.server.url}))
    assert isinstance(ended, httpx.Response) and said(ended) == "You are logged out here."
    assert person.told == ["python3-saml", "pysaml2"] and "idp_saml_session" not in person.http.cookies


def test_the_logout_of_a_page_elsewhere_is_none(person: Person, listed: Listed) -> None:
    person.log_in(listed.python3_saml)
    refused = person.http.post(f"{listed.idp.base}/logout", headers={"origin": "https://evil.example"})
    assert refused.status_code == 400 and "evil.example" in said(refused)
    assert "ada is logged in" in person.http.get(f"{listed.idp.base}/logout").text


def test_node_saml_ends_a_session_that_others_have(person: Person, listed: Listed) -> None:
    first, party = person.log_in(listed.pysaml2), listed.parties["node-saml"]
    assert isinstance(party, NodeParty) and person.log_in(party).session == first.session
    profile = {"nameID": "ada", "nameIDFormat": NAMEID_FORMAT_UNSPECIFIED, "sessionIndex": first.session}
    begun = person.http.post(f"{party.at}/logout", json=profile)
    form = person.led(begun)
    assert isinstance(form, httpx.Response) and form.json() == {"loggedOut": True}
    assert "pysaml2" in person.told
    assert said(person.http.get(f"{listed.idp.base}/logout")) == "Nobody is logged in here."


@pytest.mark.parametrize(("change", "words"), [
    (lambda url: url.partition("&Signature=")[0], "the LogoutRequest is not signed"),
    (lambda url: url.replace("&RelayState=%2Fbye", "&RelayState=%2Fevil"), "none of the certificates known of"),
    (lambda url: url.replace("rsa-sha256", "rsa-sha1"), "is made by 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha1'"),
    (lambda url: url + "&SAMLRequest=x", "SAMLRequest is there twice"),
])  # fmt: skip
def test_a_logout_that_nobody_signed_ends_nothing(change: Callable[[str], str], words: str, person: Person, listed: Listed) -> None:
    taken = person.log_in(listed.python3_saml)
    refused = person.http.get(change(_ask(listed.python3_saml, taken)))
    assert refused.status_code == 400 and words in said(refused)
    assert "ada is logged in" in person.http.get(f"{listed.idp.base}/logout").text


@pytest.mark.parametrize("changed", [{"name_id": "grace"}, {"session_index": "_somebody-elses"}])
def test_a_service_provider_ends_no_session_but_its_users_own(changed: dict[str, str], person: Person, listed: Listed) -> None:
    taken = person.log_in(listed.python3_saml)
    assert isinstance(person.led(person.http.get(_ask(listed.python3_saml, taken, **changed))), str)  # answered, as one that is over
    assert "ada is logged in" in person.http.get(f"{listed.idp.base}/logout").text


def test_an_answer_is_taken_once_and_from_whom_was_asked(person: Person, listed: Listed) -> None:
    person.log_in(listed.python3_saml)
    page = person.http.get(f"{listed.idp.base}/logout")
    asked = person.http.post(form_of(page).action).headers["location"]
    auth = listed.python3_saml.auth("/slo", get_data=_query(asked), query_string=urlsplit(asked).query)
    answer = auth.process_slo(keep_local_session=True)
    assert said(person.http.get(answer)) == "You are logged out here."
    again = person.http.get(answer)
    assert again.status_code == 400 and "answers no request of a logout that is under way" in said(again)


def test_a_session_begins_anew_for_somebody_else(person: Person, listed: Listed) -> None:
    first = person.log_in(listed.python3_saml)
    second = person.log_in(listed.python3_saml, "grace")
    assert first.session != second.session
    assert "grace is logged in" in person.http.get(f"{listed.idp.base}/logout").text
