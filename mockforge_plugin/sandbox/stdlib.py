"""The standard-library modules that sandboxed plugins may import. They are in the component's snapshot; nothing else is."""

from __future__ import annotations

import sys

MODULES: tuple[str, ...] = (
    "__future__",
    "abc",
    "array",
    "base64",
    "binascii",
    "bisect",
    "builtins",
    "calendar",
    "cmath",
    "codecs",
    "collections",
    "collections.abc",
    "colorsys",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "email.header",
    "email.message",
    "email.utils",
    "encodings",
    "enum",
    "errno",
    "fnmatch",
    "fractions",
    "functools",
    "gc",
    "graphlib",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "html.entities",
    "html.parser",
    "http",
    "http.cookies",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "math",
    "mimetypes",
    "numbers",
    "operator",
    "os",
    "os.path",
    "pathlib",
    "pickle",
    "pprint",
    "quopri",
    "random",
    "re",
    "reprlib",
    "secrets",
    "shlex",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "sys",
    "textwrap",
    "time",
    "timeit",
    "tomllib",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "urllib",
    "urllib.error",
    "urllib.parse",
    "uuid",
    "warnings",
    "weakref",
    "xml.etree.ElementTree",
    "xml.sax.saxutils",
    "zlib",
    "zoneinfo",
)
"""Full names; their parent packages come with them."""

HELPERS: tuple[str, ...] = (
    "_strptime",
    "_pydecimal",
    "_pydatetime",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.utf_8_sig",
    "encodings.utf_16",
    "encodings.utf_16_le",
    "encodings.utf_16_be",
    "encodings.utf_32",
    "encodings.cp1252",
    "encodings.cp1250",
    "encodings.cp1251",
    "encodings.cp437",
    "encodings.cp850",
    "encodings.iso8859_2",
    "encodings.iso8859_15",
    "encodings.idna",
    "encodings.punycode",
    "encodings.unicode_escape",
    "encodings.raw_unicode_escape",
    "encodings.hex_codec",
    "encodings.base64_codec",
    "encodings.rot_13",
    "encodings.quopri_codec",
    "encodings.zlib_codec",
    "email.charset",
    "email.encoders",
    "email.errors",
    "email.mime.text",
    "email.parser",
    "email.policy",
    "email.generator",
    "email.headerregistry",
    "email.contentmanager",
    "xml.etree.ElementPath",
    "importlib.resources",
    "annotationlib",
)
"""Modules that those above import only when first used; preloaded, not offered."""

HINTS: dict[str, str] = {
    **dict.fromkeys(
        ("requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "socket", "ssl"),
        "for HTTP use `from mockforge_plugin import http`",
    ),
    **dict.fromkeys(
        ("asyncio", "anyio", "trio", "concurrent", "threading", "multiprocessing", "subprocess", "signal", "queue", "sched"),
        "a sandboxed plugin runs one call at a time; `await` the kit's host calls directly",
    ),
    **dict.fromkeys(
        ("sqlite3", "psycopg", "asyncpg", "pymysql", "pymongo", "redis", "sqlalchemy", "dbm", "shelve"),
        "for data use `from mockforge_plugin import data` or `kv`",
    ),
    **dict.fromkeys(
        ("shutil", "tempfile", "glob", "importlib", "zipfile", "tarfile"),
        "for the plugin's own files use `from mockforge_plugin import resource`",
    ),
}
"""What to use instead of some modules that are often reached for."""

ABSENT: dict[str, str] = {
    "hashlib.scrypt": "Use `hashlib.pbkdf2_hmac`, whose iterations fit into limits.cpu_ms.",
    **dict.fromkeys(("os.system", "os.fork", "os.kill"), "There are no other processes."),
}
"""What modules that are offered have elsewhere and not in the sandbox, and what to do instead."""


def offered() -> frozenset[str]:
    """Every name that `import` accepts, parent packages included."""
    names = set(MODULES)
    for name in MODULES:
        while "." in name:
            name = name.rpartition(".")[0]
            names.add(name)
    return frozenset(names)


def refusal(name: str) -> str:
    """The words of the ImportError for a module that is not offered: what there is instead."""
    top = name.partition(".")[0]
    if name == "mockforge_plugin.login" or name.startswith("mockforge_plugin.login."):
        return f"the sandbox has no module '{name}': it is for native plugins (`runtime: native`)"
    if hint := HINTS.get(name) or HINTS.get(top):
        return f"the sandbox has no module '{name}': {hint}"
    if top == "mockforge_plugin":
        return f"the sandbox has no module '{name}': what the kit gives is imported from `mockforge_plugin` itself"
    if top in sys.stdlib_module_names:
        return f"the sandbox has no module '{name}': of the standard library it has what the reference of Python plugins lists"
    return f"the sandbox has no module '{name}', nor the plugin a file '{top}.py': a package of pure Python can be copied into its folder"
