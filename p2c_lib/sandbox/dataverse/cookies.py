"""The paging cookie: XML that remembers the sort values of the last row sent; opaque to clients."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.xml_text import parsed_xml

# So that an address of any length that is taken has room for it in what a web server reads of one (64 KiB).
_LONGEST = 8_000
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """Where the next page begins: its number, the last row's sort values, and whether a delta link will follow.

    ``by_key``: ``last`` is the last row's primary key alone, whose sort values would be too long for an address.
    """

    page: int
    last: tuple[Value, ...]
    tracking: int | None = None
    by_key: bool = False

    def inner(self, names: Sequence[str], first: Sequence[Value]) -> str:
        """The ``<cookie page="1">`` element."""
        if self.by_key:
            key = f"<{_tag(names[-1])} last={quoteattr(_text(self.last[0]))} />"
            return f'<cookie page="{self.page - 1}" by="key">{key}</cookie>'
        terms = zip(names, self.last, first, strict=True)
        marks = "".join(f"<{_tag(n)} last={quoteattr(_text(a))} first={quoteattr(_text(b))} />" for n, a, b in terms)
        return f'<cookie page="{self.page - 1}">{marks}</cookie>'

    def skiptoken(self, names: Sequence[str], first: Sequence[Value]) -> str:
        """The value of ``$skiptoken``, not yet URL-encoded."""
        inner = quote(quote(self.inner(names, first), safe=""), safe="")
        if len(inner) > _LONGEST and not self.by_key:
            return replace(self, last=self.last[-1:], by_key=True).skiptoken(names, first)
        tracking = "False" if self.tracking is None else str(self.tracking)
        return f'<cookie pagenumber="{self.page}" pagingcookie="{inner}" istracking="{tracking}" />'


def _tag(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "." for c in name)


def _text(value: Value) -> str:
    if isinstance(value, str) and _GUID.fullmatch(value):
        return "{" + value.upper() + "}"
    return json.dumps(value)


def _value(text: str) -> Value:
    if text.startswith("{") and text.endswith("}"):
        return text[1:-1].lower()
    value = json.loads(text)
    if not (value is None or isinstance(value, str | int | float)):
        raise ValueError(text)
    return value


def read_cookie(text: str, terms: int) -> Cookie:
    """The cookie of a ``$skiptoken`` with that many sort terms; `Refusal` (400) when it was altered."""
    try:
        outer = parsed_xml(text)
        text = unquote(unquote(outer.attrib["pagingcookie"]))
        inner, by_key = read_inner(text), text.partition(">")[0].endswith(' by="key"')
        tracking = outer.attrib.get("istracking", "False")
        page = int(outer.attrib["pagenumber"])
        cookie = Cookie(page, inner, None if tracking == "False" else int(tracking), by_key)
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise bad_query("Malformed XML in the Paging Cookie: use @odata.nextLink as it came.") from error
    if len(cookie.last) != (1 if cookie.by_key else terms):
        raise bad_query("The paging cookie does not belong to this query: use @odata.nextLink as it came.")
    return cookie


def read_inner(text: str) -> tuple[Value, ...]:
    """The last row's sort values; ``ValueError`` or ``ParseError`` when it was altered."""
    root = parsed_xml(text)
    return tuple(_value(element.attrib["last"]) for element in root)
