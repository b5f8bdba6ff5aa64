"""Text for a terminal: what would steer it, or turn letters around, is shown as what it is."""

from __future__ import annotations

import json
import re

__all__ = ["INVISIBLE", "escaped_json", "harmless", "one_line", "visible"]

# The control characters of ISO 6429 (C0 but line feed and tab, DEL, C1), Unicode's bidirectional and other invisible
# formatting characters (UAX #9, UTS #55), its own line ends, and halves of surrogate pairs, which no terminal can take.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile(r"\r\n|\r|\n|\u0085|\u2028|\u2029|\x0b|\x0c")


# Control characters but line ends and tabs, what UTS #55 and Unicode's Default_Ignorable_Code_Point have for
# invisible, and halves of surrogate pairs.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]+"
)


def visible(text: str) -> str:
    r"""The text without what nobody sees: control characters but line ends and tabs, marks, joiners and such.

    >>> visible("\ufeffBad\x00 re\u00adquest\n")
    'Bad request\n'
    """
    return text if text.isascii() and text.isprintable() else INVISIBLE.sub("", text)


def harmless(text: str) -> str:
    r"""The text with every character that steers a terminal written as its escape; line feeds and tabs stay.

    >>> harmless("a\x1b[2Jb\r\nc")
    'a\\x1b[2Jb\nc'
    """
    return _STEERING.sub(_escape, text.replace("\r\n", "\n"))


def escaped_json(text: str) -> str:
    r"""JSON with every such character escaped as JSON has it: who reads it gets the value exactly.

    >>> escaped_json('{"name": "a\u202eb"}')
    '{"name": "a\\u202eb"}'
    """
    return _STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """The text in one line: its line ends are blanks, so that nothing in it looks like a line of ours.

    >>> one_line("no such row\\nerror: none")
    'no such row error: none'
    """
    return _LINE_ENDS.sub(" ", text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
