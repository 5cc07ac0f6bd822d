"""The identity provider, served; and service providers that it is tried with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mockforge_asgi.testing import Server
from plugins_builtin.idp_saml.keys import Signer
from plugins_builtin.idp_saml.tests.parties import Idp, NodeServer, Party, PySaml2, Python3Saml, node_server


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """pysaml2 logs what it refuses, whole."""
    logging.getLogger("saml2").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One that knows no service provider: the one line that starts it."""
    with Server({"version": 1, "plugins": {"idp": {"use": "idp-saml"}}}) as running:
        yield running


@pytest.fixture(scope="session")
def idp(server: Server) -> Idp:
    """The same, as service providers know it."""
    return Idp.at(f"{server.url}/idp")


@pytest.fixture(scope="session")
def node() -> Iterator[NodeServer]:
    """The service providers of npm."""
    with node_server() as running:
        yield running


@pytest.fixture(scope="session")
def sp_key() -> Signer:
    """The key of all service providers that have one."""
    return Signer.make("service provider", datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Listed:
    """An identity provider that has the metadata of service providers, which sign their requests and have assertions encrypted."""

    server: Server
    idp: Idp
    python3_saml: Python3Saml
    pysaml2: PySaml2
    parties: dict[str, Party]


@pytest.fixture(scope="session")
def listed(node: NodeServer, idp: Idp, sp_key: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listed]:
    """One, with all four."""
    folder = tmp_path_factory.mktemp("listed")
    first, second = Python3Saml(None, "both", sp_key), PySaml2(None, "both", sp_key, folder)
    file = folder / "pysaml2.xml"
    file.write_text(second.metadata)
    providers = [
        {"entity_id": first.entity_id, "name": "Orders", "metadata": first.metadata},
        {"entity_id": second.entity_id, "metadata_file": str(file)},
        # node-saml says that it takes logout messages by form, and takes no answers so
        *(
            {"entity_id": each.entity_id, "metadata_url": f"{each.at}/metadata", "logout_url": f"{each.at}/slo"}
            for each in node.parties(idp, "both", sp_key, number=0).values()
        ),
    ]
    config = {"service_providers": providers, "signed_requests": True}
    with Server({"version": 1, "plugins": {"idp": {"use": "idp-saml", "config": config}}}) as server:
        at = Idp.at(f"{server.url}/idp")
        python3_saml, pysaml2 = Python3Saml(at, "both", sp_key), PySaml2(at, "both", sp_key, folder)
        parties: dict[str, Party] = {"python3-saml": python3_saml, "pysaml2": pysaml2, **node.parties(at, "both", sp_key, number=0)}
        yield Listed(server, at, python3_saml, pysaml2, parties)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For the files of pysaml2."""
    return tmp_path
