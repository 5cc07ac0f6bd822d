"""MediaType: what a Content-Type header says: the type, whether it is JSON or XML, and the charset (RFC 9110 §8.3, RFC 6839)."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final, Self

from mockforge_asgi.types import Headers

_CHARSET: Final = re.compile(r';[ \t]*charset[ \t]*=[ \t]*"?([^\s;"]+)', re.ASCII | re.IGNORECASE)


_NO_CHARSETS: Final = frozenset(["idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"])
"""What Python encodes text with, and no client reads."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, without parameters; `charset` as declared, in lower case, empty where none is."""

    name: str = ""
    charset: str = ""

    @classmethod
    def of(cls, header: str) -> Self:
        """What that header value says."""
        name, parameters, _ = header.partition(";")
        charset = _CHARSET.search(header) if parameters else None
        return cls(name.strip().lower(), charset.group(1).lower() if charset else "")

    @classmethod
    def among(cls, headers: Headers) -> Self:
        """What the first Content-Type of those headers says."""
        return cls.of(next((value for name, value in headers if name.lower() == b"content-type"), b"").decode("latin-1"))

    def encode(self, text: str) -> bytes:
        """The text in the declared charset, else in UTF-8. Raises ValueError where that is not known, or lacks a character."""
        if self.charset in ("", "utf-8"):
            return text.encode()
        try:
            if codecs.lookup(self.charset).name in _NO_CHARSETS:
                raise LookupError
            return text.encode(self.charset)
        except LookupError:
            raise ValueError(f"its content-type declares the charset '{self.charset[:40]}', which is not known here") from None
        except UnicodeEncodeError as error:
            raise ValueError(f"its content-type declares the charset {self.charset}, which lacks {text[error.start]!r}") from None

    @property
    def is_json(self) -> bool:
        """`application/json`, `text/json` and all with the suffix `+json`."""
        return self.name in ("application/json", "text/json") or self.name.endswith("+json")

    @property
    def is_xml(self) -> bool:
        """`application/xml`, `text/xml` and all with the suffix `+xml`."""
        return self.name in ("application/xml", "text/xml") or self.name.endswith("+xml")

    @property
    def ranges(self) -> frozenset[str]:
        """The names under which it may be asked for: its own, `type/*`, and `application/json` or `application/xml` for its syntax."""
        syntax = ["application/json"] if self.is_json else ["application/xml", "text/xml"] if self.is_xml else []
        return frozenset([self.name, f"{self.name.partition('/')[0]}/*", *syntax])
