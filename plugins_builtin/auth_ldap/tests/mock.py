"""A mock behind `auth-ldap`: its configuration, the credentials of a request, and who the mock takes the caller for."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, Response
from tests.support.openldap import BASE, PASSWORDS, SERVICE_DN, SERVICE_PASSWORD, OpenLdap
from tests.support.openldap import PASSWORD as PASSWORD

WAYS = ("plain", "starttls", "ldaps")
"""How a directory is spoken to."""
WRONG = "user name or password is wrong"
UNAVAILABLE = (503, "the directory is not available")
TEMPLATE = f"uid={{user}},ou=people,{BASE}"
SHORT = {"timeouts": {"connect_s": 0.3, "login_s": 0.6, "retry_s": 0.1}}
"""For servers that answer late or never."""
GROUPS = {"base": f"ou=groups,{BASE}"}


def reached(directory: OpenLdap, way: str) -> dict[str, Any]:
    """The part of a configuration that says how to reach it."""
    if way == "plain":
        return {"servers": [directory.plain], "insecure": True}
    if way == "starttls":
        return {"servers": [directory.plain], "starttls": True, "ca_file": directory.ca_file}
    return {"servers": [directory.tls], "ca_file": directory.ca_file}


def searching(reach: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration with an account that looks users up."""
    return {"bind_dn": SERVICE_DN, "bind_password": "ldap_password", "users": {"base": BASE}, **reach, **more}


def mock(config: Mapping[str, Any], *, secret: str = SERVICE_PASSWORD) -> dict[str, Any]:
    """A mock that tells the caller who they are."""
    return {
        "version": 1,
        "plugins": {"auth-ldap": {"use": "auth-ldap", "config": dict(config)}},
        "secrets": {"ldap_password": {"value": secret}} if "bind_password" in config else {},
        "protect": [{"path": "/me", "auth": ["auth-ldap"]}],
        "templates": {"inline": {"me.json": "{{ request.principal | tojson }}"}},
        "routes": [
            {"match": {"path": "/me"}, "response": {"template": "me.json"}},
            {"match": {"path": "/open"}, "response": {"text": "open"}},
        ],
    }


def client(config: Mapping[str, Any], *, secret: str = SERVICE_PASSWORD) -> Client:
    """The mock, called in this process."""
    return Client(MockForge(config=mock(config, secret=secret)))


def basic(name: str, password: str | None = None) -> dict[str, str]:
    """The header that carries them; without a password the right one."""
    pair = f"{name}:{PASSWORDS.get(name, PASSWORD) if password is None else password}"
    return {"authorization": "Basic " + b64encode(pair.encode("utf-8", "surrogatepass")).decode()}


async def login(at: Client, name: str, password: str | None = None) -> Response:
    """Log in."""
    return await at.get("/me", headers=basic(name, password))


async def principal(at: Client, name: str) -> dict[str, Any]:
    """Who somebody with the right password is taken for."""
    response = await login(at, name)
    assert response.status == 200, response.text
    return dict(json.loads(response.text))


def message(response: Response) -> str:
    """What the caller is told."""
    return str(response.json()["message"])
