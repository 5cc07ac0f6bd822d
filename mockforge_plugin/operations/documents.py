"""What a plugin returned → the JSON document that its operation answers with, checked field by field.

Each function takes the author's value and the name of the method that gave it, for the words of the error.
The way back: `Request.from_document`, `Principal.from_document`; the host reads answers itself, for they are a stranger's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockforge_plugin.encoding import checked, encode, quoted
from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.operations.fields import as_header_text, as_mapping, as_status, as_text, as_texts, header_pairs
from mockforge_plugin.request import Answer
from mockforge_plugin.values import (
    Allow,
    Body,
    Deny,
    FunctionMetadata,
    Health,
    Json,
    Principal,
    Reply,
    Response,
    body_document,
)


def decision_document(value: object, method: str = "authenticate") -> Json:
    """`{"allow"}`, `{"deny"}`, `{"reply"}` or None."""
    if value is None:
        return None
    write = _decisions.get(type(value))
    if write is None:
        hint = next((words for kind, words in _hints.items() if isinstance(value, kind)), "")
        raise WrongAnswer(f"{method} must return Allow, Deny, Reply or None, not {type(value).__name__}{hint}")
    return write(value, method)


def _allow(value: Allow, method: str) -> Json:
    if type(value.principal) is not Principal:
        raise WrongAnswer(f"{method}: Allow.principal must be a Principal, not {type(value.principal).__name__}")
    return {
        "allow": {
            "principal": principal_document(value.principal, method),
            "claims": as_mapping(value.claims, f"{method}: Allow.claims"),
            "set_headers": header_pairs(value.set_headers, f"{method}: Allow.set_headers"),
        }
    }


def _deny(value: Deny, method: str) -> Json:
    code = as_status(value.status, f"{method}: Deny.status")
    if code < 400:
        raise WrongAnswer(f"{method}: Deny.status must be 400 to 599, not {code}")
    return {
        "deny": {
            "status": code,
            "reason": as_text(value.reason, f"{method}: Deny.reason"),
            "challenge": None if value.challenge is None else as_header_text(value.challenge, f"{method}: Deny.challenge"),
        }
    }


def _reply(value: Reply, method: str) -> Json:
    if not isinstance(value.response, Response):
        raise WrongAnswer(f"{method}: Reply.response must be a Response, not {type(value.response).__name__}")
    return {"reply": response_document(value.response, method)}


_hints: dict[type, str] = {
    Response: " (wrap a Response in Reply)",
    Principal: " (wrap a Principal in Allow)",
    bool: " (say Allow(Principal(...)) or Deny())",
}

_decisions: dict[type, Callable[[Any, str], Json]] = {Allow: _allow, Deny: _deny, Reply: _reply}


def principal_document(value: Principal, method: str = "authenticate") -> dict[str, Json]:
    """Its id and whatever else it has."""
    document: dict[str, Json] = {"id": as_text(value.id, f"{method}: Principal.id")}
    if not value.id:
        raise WrongAnswer(f"{method}: Principal.id must not be empty")
    for name in ("roles", "groups"):
        if items := getattr(value, name):
            document[name] = as_texts(items, f"{method}: Principal.{name}")
    for name in ("name", "email"):
        if (item := getattr(value, name)) is not None:
            document[name] = as_text(item, f"{method}: Principal.{name}")
    if value.attributes:
        document["attributes"] = as_mapping(value.attributes, f"{method}: Principal.attributes")
    return document


def response_document(value: object, method: str = "generate") -> dict[str, Json]:
    """The document of a whole answer. A dict or list becomes JSON, a str plain text, both with status 200."""
    if isinstance(value, Response):
        code = as_status(value.status, f"{method}: Response.status")
        headers = header_pairs(value.headers, f"{method}: Response.headers")
        if value.template is not None:
            return {
                "status": code,
                "headers": headers,
                "template": as_text(value.template, f"{method}: Response.template"),
                "vars": as_mapping(value.vars, f"{method}: Response.vars"),
            }
        body: object = value.body
        if isinstance(body, str):  # a slip that has one meaning
            return {"status": code, "headers": headers, "body": {"text": body}}
        if not isinstance(body, bytes | Body):
            raise WrongAnswer(f"{method}: Response.body must be bytes, not {type(body).__name__}")
        if isinstance(body, Body) and body.data is None:
            raise WrongAnswer(f"{method}: Response.body is still at the host; read it first, or leave it to a modifier")
        return {"status": code, "headers": headers, "body": body_document(body)}
    if isinstance(value, dict | list):
        return {"status": 200, "headers": [["content-type", "application/json"]], "body": {"text": encode(value)}}
    if isinstance(value, str):
        return {"status": 200, "headers": [["content-type", "text/plain; charset=utf-8"]], "body": {"text": value}}
    raise WrongAnswer(f"{method} must return a Response (or a dict or list for JSON, a str for text), not {type(value).__name__}")


def generated_document(value: object, method: str = "generate") -> Json:
    """A response document, or None for "not mine"."""
    return None if value is None else response_document(value, method)


def modified_document(value: object, method: str = "modify") -> Json:
    """A response document, or None for "unchanged". A body that is still at the host is left out: it stays as it is."""
    if value is None or isinstance(value, Answer):
        return None
    if not isinstance(value, Response):
        raise WrongAnswer(f"{method} must return a Response or None (unchanged), not {type(value).__name__}")
    if isinstance(value.body, Body) and value.body.data is None and value.template is None:
        return {
            "status": as_status(value.status, f"{method}: Response.status"),
            "headers": header_pairs(value.headers, f"{method}: Response.headers"),
        }
    return response_document(value, method)


def flag_document(value: object, method: str = "can_handle") -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise WrongAnswer(f"{method} must return True or False, not {type(value).__name__}")
    return value


def health_document(value: object, method: str = "health") -> dict[str, Json]:
    """Status and detail; None means ok, a str is the status."""
    health = Health() if value is None else Health(value) if isinstance(value, str) else value
    if not isinstance(health, Health) or health.status not in ("ok", "degraded", "down"):
        raise WrongAnswer(f"{method} must return Health('ok' | 'degraded' | 'down', detail), not {value!r}")
    return {"status": health.status, "detail": as_text(health.detail, f"{method}: Health.detail")}


def decision_text(value: object, method: str = "authenticate") -> str:
    """The JSON text of a decision; that of the usual one, an `Allow` of a principal with roles, without a document in between."""
    if type(value) is Allow and type(principal := value.principal) is Principal and type(principal.roles) is tuple and principal.id:
        more = (value.claims, value.set_headers, principal.groups, principal.name, principal.email, principal.attributes)
        if more == _NO_MORE:
            try:
                roles = f',"roles":[{",".join([quoted(role) for role in principal.roles])}]' if principal.roles else ""
                return checked(f'{{"allow":{{"principal":{{"id":{quoted(principal.id)}{roles}}},"claims":{{}},"set_headers":[]}}}}')
            except (TypeError, ValueError):
                pass  # what is wrong is told of the document
    return encode(decision_document(value, method))


_NO_MORE: tuple[object, ...] = ({}, (), (), None, None, {})


ON_REQUEST: dict[str, Callable[[Any, str], str]] = {
    "auth.authenticate": decision_text,
    "response.can_handle": lambda value, method: encode(flag_document(value, method)),
    "response.generate": lambda value, method: encode(generated_document(value, method)),
    "endpoint.call": lambda value, method: encode(response_document(value, method)),
}
"""What checks the results of operations on a request and writes their JSON text; for the words of an error it takes the name of the
author's method."""


def problems_document(value: object, method: str = "validate_config") -> Json:
    """None when the configuration is good, else `[{"path", "message"}]`. A problem is a str, a (path, message) pair or a dict."""
    if value is None:
        return None
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise WrongAnswer(f"{method} must return None or a list of problems, not {type(value).__name__}")
    return [_problem(item, method) for item in value] or None


def _problem(item: Any, method: str) -> dict[str, str]:
    if isinstance(item, str):
        return {"path": "", "message": item}
    if isinstance(item, tuple) and len(item) == 2:
        return {"path": str(item[0]), "message": str(item[1])}
    if isinstance(item, dict) and "message" in item:
        return {"path": str(item.get("path", "")), "message": str(item["message"])}
    raise WrongAnswer(f"{method}: a problem is a str, a (path, message) pair or a dict with both, not {item!r}")


def function_document(value: FunctionMetadata) -> dict[str, Json]:
    """The metadata of a template function."""
    parameters = [
        {"name": p.name, "type": p.type, "description": p.description, "required": p.required, "default": p.default, "var_args": p.var_args}
        for p in value.parameters
    ]
    return {
        "name": value.name,
        "description": value.description,
        "parameters": parameters,
        "returns": value.returns,
        "examples": list(value.examples),
        "category": value.category,
        "pure": value.pure,
    }
