"""A walk through the standard library, with answers that do not depend on time or chance."""

import base64
import calendar
import collections
import configparser
import csv
import dataclasses
import datetime
import decimal
import difflib
import enum
import fractions
import functools
import hashlib
import hmac
import html
import io
import ipaddress
import itertools
import json
import math
import random
import re
import statistics
import string
import struct
import textwrap
import tomllib
import unicodedata
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
import zlib
import zoneinfo

from mockforge_plugin import TemplatePlugin, function


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2


class Tour(TemplatePlugin):
    @function
    def tour(self):
        berlin = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
        table = csv.DictReader(io.StringIO("a,b\n1,ü\n"))
        config = configparser.ConfigParser()
        config.read_string("[x]\ny = 1\n")
        return {
            "base64": base64.b64encode(b"\x00\xff").decode(),
            "leap": calendar.isleap(2024),
            "counter": collections.Counter("aab").most_common(1),
            "config": config["x"]["y"],
            "csv": list(table),
            "dataclass": dataclasses.asdict(Point(1)),
            "berlin": berlin.isoformat(),
            "utc": berlin.astimezone(datetime.UTC).isoformat(),
            "parsed": datetime.datetime.strptime("2024-02-29", "%Y-%m-%d").date().isoformat(),
            "decimal": str(decimal.Decimal("1.10") + decimal.Decimal("2.20")),
            "close": difflib.get_close_matches("aple", ["apple", "pear"]),
            "enum": Colour.RED.name,
            "fraction": str(fractions.Fraction(1, 3) + 1),
            "reduce": functools.reduce(lambda a, b: a * b, range(1, 6)),
            "sha": hashlib.sha256(b"x").hexdigest(),
            "hmac": hmac.new(b"k", b"m", "sha256").hexdigest(),
            "html": html.escape("<a>&"),
            "ip": str(ipaddress.ip_network("10.0.0.0/30")[2]),
            "pairs": list(itertools.pairwise("abc")),
            "json": json.dumps({"a": [1]}),
            "sqrt": math.isqrt(17),
            "seeded": random.Random(7).randint(0, 10**6),
            "re": re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world"),
            "median": statistics.median([3, 1, 2]),
            "template": string.Template("$a!").substitute(a="hi"),
            "struct": struct.unpack("<H", b"\x01\x02")[0],
            "wrap": textwrap.shorten("one two three four", 10),
            "toml": tomllib.loads("a = [1, 2]"),
            "name": unicodedata.name("ü"),
            "nfc": unicodedata.normalize("NFC", "u\u0308"),
            "quote": urllib.parse.quote("ü/ "),
            "uuid5": str(uuid.uuid5(uuid.NAMESPACE_URL, "x")),
            "xml": [e.text for e in ElementTree.fromstring("<r><a>1</a><a>ü</a></r>")],
            "crc": zlib.crc32(b"mockforge"),
        }
