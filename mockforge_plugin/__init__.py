"""The author's kit of mockforge plugins: value types, base classes and host calls.

Pure standard library. The same plugin file runs natively and in the sandbox.
"""

from mockforge_plugin.cookies import cookie
from mockforge_plugin.failure import HostError, PluginError
from mockforge_plugin.host import HttpAnswer, data, http, kv, log, now, resource, secret, sleep
from mockforge_plugin.host_call import HostCall
from mockforge_plugin.pairs import Headers, Query
from mockforge_plugin.plugin import (
    AuthPlugin,
    DataSourcePlugin,
    ModifierPlugin,
    ResponsePlugin,
    TemplatePlugin,
    endpoint,
    function,
    provider,
)
from mockforge_plugin.processes import Processes
from mockforge_plugin.request import Answer, Request
from mockforge_plugin.tables import Column, DataResult, Table
from mockforge_plugin.values import (
    Allow,
    Body,
    Decision,
    Deny,
    Fake,
    FunctionMetadata,
    Health,
    Json,
    Parameter,
    PluginInfo,
    Principal,
    Reply,
    Response,
)

__all__ = [
    "Allow",
    "Answer",
    "AuthPlugin",
    "Body",
    "Column",
    "DataResult",
    "DataSourcePlugin",
    "Decision",
    "Deny",
    "Fake",
    "FunctionMetadata",
    "Headers",
    "Health",
    "HostCall",
    "HostError",
    "HttpAnswer",
    "Json",
    "ModifierPlugin",
    "Parameter",
    "PluginError",
    "PluginInfo",
    "Principal",
    "Processes",
    "Query",
    "Reply",
    "Request",
    "Response",
    "ResponsePlugin",
    "Table",
    "TemplatePlugin",
    "cookie",
    "data",
    "endpoint",
    "function",
    "http",
    "kv",
    "log",
    "now",
    "provider",
    "resource",
    "secret",
    "sleep",
]
