"""A secret is known however it is packed on its way: in two layers of any of the ways, with anything in between."""

import base64
import json
import quopri
import re
import textwrap
from collections.abc import Callable
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.secrecy import MASK, forget_secrets, keep_secret, without_secrets
from p2c_lib.secrecy.views import views

SECRET = "between-secret-0042"
TOKEN = "eyX0aW5nLXRva2VuLTAwNDI.Zm9vYmFyLWJhei1xdXg_xyz-0042"
ODD = 'Vq7~e/+ "&<é\\Zt9.tell_0042-Kw8'
SHORT = "Qx7.Zt9-k4"

Spell = Callable[[str], str]


def between(what: str, every: int = 1) -> Spell:
    return lambda value: what.join(value[at : at + every] for at in range(0, len(value), every))


def each(form: str, encoding: str = "utf-8") -> Spell:
    return lambda value: "".join(form.format(byte) for byte in value.encode(encoding))


def b64(value: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(value.encode(encoding)).decode()


# Ways in which letters stand apart or are written one by one: for short secrets too.
APART: dict[str, Spell] = {
    "UTF-16 read as Latin": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "UTF-16 the other way": lambda value: value.encode("utf-16-be").decode("latin-1"),
    "UTF-32 read as Latin": lambda value: value.encode("utf-32-le").decode("latin-1"),
    "NUL": between("\0"),
    "zero width": between("\u200b"),
    "soft hyphens": between("\u00ad", 5),
    "byte order marks": between("\ufeff", 3),
    "variation selectors": between("\ufe0f"),
    "escape characters": between("\x1b", 4),
    "<wbr>": between("<wbr>", 5),
    "<b></b>": between("<b></b>", 4),
    "tags with words": between('<span class="x">', 4),
    "%u": each("%u{:04x}", "latin-1"),
    "octal": each("\\{:03o}"),
    "ECMAScript": each("\\u{{{:x}}}", "latin-1"),
    "CSS": each("\\{:06x} ", "latin-1"),
    "entities without end": each("&#{}", "latin-1"),
    "entities padded": each("&#{:012d};", "latin-1"),
    "entities in hex, padded": each("&#x{:010X};", "latin-1"),
    "quoted-printable": lambda value: quopri.encodestring(value.encode()).decode(),
    "quoted-printable, all": each("={:02X}"),
    "a soft line end": lambda value: f"{value[:5]}=\r\n{value[5:]}",
    "0x": each("0x{:02X},"),
    "decimals": lambda value: str(list(value.encode())),
    "fullwidth": lambda value: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value),
    "hex with blanks": lambda value: value.encode().hex(" "),
    "hex with colons": lambda value: value.encode().hex(":"),
}
# Ways in which only a long secret is known.
LONG: dict[str, Spell] = {
    "base64 of UTF-16": lambda value: b64(value, "utf-16-le"),
    "hex of UTF-16": lambda value: value.encode("utf-16-le").hex(),
    "base64 of base64": lambda value: b64(b64(value)),
    "base64 of hex": lambda value: b64(value.encode().hex()),
    "hex of base64": lambda value: b64(value).encode().hex(),
    "base64, wrapped": lambda value: "\n".join(textwrap.wrap(b64(value), 8)),
    "base64, wrapped in JSON": lambda value: json.dumps("\r\n".join(textwrap.wrap(b64(value), 8))),
    "base64, wrapped in words": lambda value: "\\n".join(textwrap.wrap(b64(value), 8)),
    "base64 in an address": lambda value: "".join(f"%{byte:02x}" for byte in b64(value).encode()),
    "base64 of JSON": lambda value: b64(json.dumps({"k": value})),
    "line end in words": lambda value: f"{value[:9]}\\n{value[9:]}",
    "line ends in words": lambda value: f"{value[:9]}\\r\\n{value[9:]}",
    "<br/>": lambda value: f"{value[:9]}<br/>{value[9:]}",
    "a dump": lambda value: "\n".join(f"{n:08x}  {row.encode().hex(' ')}" for n, row in enumerate([value])),
    "letters of a list": lambda value: json.dumps(list(value)),
    "strings in a row": lambda value: f"'{value[:9]}'\n    '{value[9:]}'",
}


def is_told(value: str, left: str) -> bool:
    """Whether four letters and digits in a row of a value can still be read in what is left, packed or not."""
    runs = {run[at : at + 5] for run in re.findall("[0-9A-Za-z]+", value) for at in range(len(run) - 4)}
    shown = [left, *(view.text for view in views(left))]
    return any(run in one for run in runs for one in shown)


@pytest.mark.parametrize("spell", [*APART.values(), *LONG.values()], ids=[*APART, *LONG])
@pytest.mark.parametrize("value", [SECRET, TOKEN], ids=["secret", "token"])
def test_a_long_secret_is_found_however_it_is_packed(value: str, spell: Spell) -> None:
    forget_secrets()
    keep_secret(value)
    left = without_secrets(f"The service said: {spell(value)} and so on")
    assert left.startswith("The service said: ")
    assert left.endswith(" and so on")
    assert MASK in left
    assert not is_told(value, left)


@pytest.mark.parametrize("spell", APART.values(), ids=APART)
@pytest.mark.parametrize("value", [SHORT, ODD[:14], ODD], ids=["short", "odd, short", "odd"])
def test_so_is_a_short_or_an_odd_one_where_its_letters_stand_apart(value: str, spell: Spell) -> None:
    forget_secrets()
    keep_secret(value)
    told = f"said: {spell(value)} end"
    left = without_secrets(told)
    assert MASK in left
    assert left.startswith("said: ")
    assert left.endswith(" end")
    assert len(left) < len(told) - len(value) // 2


LAYER = [b64, lambda value: value.encode().hex(), json.dumps, escape, APART["NUL"], APART["<wbr>"]]
ONE_BYTE = [spell for name, spell in APART.items() if name != "fullwidth"]


@settings(max_examples=80)
@given(spell=st.sampled_from(ONE_BYTE), layer=st.sampled_from(LAYER), before=st.text("QRUVWXYZ", max_size=9))
def test_two_layers_are_undone(spell: Spell, layer: Spell, before: str) -> None:
    forget_secrets()
    keep_secret(TOKEN)
    left = without_secrets(f"{before} {layer(spell(TOKEN))} end")
    assert MASK in left
    assert not is_told(TOKEN, left)


@settings(max_examples=150)
@given(text=st.text(max_size=300), joint=st.sampled_from(["", "\n", "%41", "&#65", "<b>", "=41", "QUJD", "\\x41"]))
def test_places_in_a_view_lead_back_to_the_text(text: str, joint: str) -> None:
    """What stands in no escape is the same letter in the view and in the text; every place lies within the text."""
    whole = f"{text}{joint}{text[::-1]}"
    for view in views(whole):
        for at in range(0, len(view.text), max(1, len(view.text) // 20)):
            start, end = view.span(at, at + 1)
            assert 0 <= start < end <= len(whole)
            if end - start == 1 and not view.packed:
                assert whole[start] == view.text[at]


@pytest.mark.parametrize(
    "text",
    [
        "between 42 secrets and 0042 accounts",
        "GET https://contoso.crm4.dynamics.com/api/data/v9.2/accounts?$filter=name%20eq%20%27a%27",
        "8f14e45f-ceea-467f-ab9a-0242ac120002 and " + "0123456789abcdef" * 40,
        base64.b64encode(bytes(range(256)) * 20).decode(),
        "<html><body><p>Not found</p><b>404</b></body></html>",
        "=3D =41 &#65; \\x41 %41 \\u0041 [65, 66, 67]",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    forget_secrets()
    for value in (SECRET, TOKEN, ODD, SHORT):
        keep_secret(value)
    assert without_secrets(text) == text
