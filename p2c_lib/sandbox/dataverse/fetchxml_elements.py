"""The elements of FetchXML with their attributes: those that are followed, that change no answer, that are not here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from p2c_lib.sandbox.dataverse.refusals import bad_argument

_ALIAS = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TRUE, _FALSE = {"true", "1"}, {"false", "0", ""}


@dataclass(frozen=True, slots=True)
class _Known:
    """Attributes of an element: ``followed``, ``idle`` (no answer depends on them here), ``away`` (documented)."""

    followed: str
    idle: str = ""
    away: str = ""


_FILTERED = "enableprefiltering prefilterparametername"
_SHOWN = "uiname uitype uihidden"
_ELEMENTS: Mapping[str, _Known] = {
    "fetch": _Known(
        "aggregate aggregatelimit count distinct page paging-cookie returntotalrecordcount top useraworderby mapping",
        # Locks, hints for SQL Server, and what the forms of views write; the times of one user are those of UTC here.
        "version output-format utc-offset no-lock latematerialize options",
        "datasource min-active-row-version savedqueryid",
    ),
    "entity": _Known("name", _FILTERED),
    "attribute": _Known(
        "name alias aggregate groupby dategrouping distinct", "usertimezone addedby build", "rowaggregate"
    ),
    "all-attributes": _Known(""),
    "order": _Known("attribute alias descending entityname"),
    "filter": _Known(
        "type", "hint overridequickfindrecordlimitenabled overridequickfindrecordlimitdisabled", "isquickfindfields"
    ),
    "condition": _Known("attribute entityname operator value valueof", _SHOWN, "aggregate alias column rowaggregate"),
    "value": _Known("", _SHOWN),
    "link-entity": _Known("name from to alias link-type", f"intersect visible {_FILTERED}"),
}


def check_attributes(root: ElementTree.Element) -> None:
    """Refuse by name every attribute that is not followed; one that is away may say that it says nothing."""
    for element in root.iter():
        known = _ELEMENTS.get(element.tag)
        if known is None:
            continue  # the element itself is refused where it stands
        for name, value in element.attrib.items():
            if name in known.away.split() and value.lower() not in _FALSE:
                raise bad_argument(f"The attribute '{name}' of <{element.tag}> is documented, but not in this sandbox.")
            if name == "alias" and not _ALIAS.fullmatch(value):
                raise bad_argument(f"The alias '{value[:80]}' may hold letters A to Z, digits and underscores only.")
            if name not in f"{known.followed} {known.idle} {known.away}".split():
                raise bad_argument(f"The attribute '{name[:80]}' of <{element.tag}> is not known in FetchXML.")
    if root.get("mapping", "logical") != "logical":
        raise bad_argument("The attribute mapping of <fetch> takes 'logical'.")


def flag(element: ElementTree.Element, name: str) -> bool:
    """A truth value; `Refusal` (400) for a text that spells none."""
    text = element.get(name, "").lower()
    if text not in _TRUE | _FALSE:
        raise bad_argument(f"The attribute {name} of <{element.tag}> takes true or false; '{text[:40]}' came.")
    return text in _TRUE


def number(element: ElementTree.Element, name: str) -> int | None:
    """A positive whole number, None without the attribute; `Refusal` (400) for any other text."""
    text = element.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:9]) <= 1_000_000:
        raise bad_argument(f"The attribute {name} of <fetch> must be a positive whole number; '{text[:40]}' came.")
    return int(text)
