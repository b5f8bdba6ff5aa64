"""Which bodies Arrow's JSON reader survives: some end the process without a word, and none of these reaches it.

It reads what is no object with the memory of nothing (a document that is ``null``), and takes the power of ten of a
negative exponent from behind the end of its table. Each was found by trying; tests/test_answers_fuzz.py goes on trying.
"""

from __future__ import annotations

import re

__all__ = ["survived"]

_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")  # one digit and one e for all
_FAR = b"e-0000"  # the table has 76 powers, and no number that a column holds has an exponent of four digits
_NUMBER = re.compile(rb':"?-?0*+(?:\.0*+)?e-0000')
_DISGUISED = re.compile(rb"\\u00(?:3[0-9]|[64]5|2[dDeE])")  # a digit, e, minus or point written as an escape


def survived(body: bytes, *, decimals: bool) -> bool:
    """Whether Arrow's JSON reader can be given this body; ``decimals`` tells that columns of exact numbers are read.

    One that it cannot be given may still be a sound page: it is then read in another way.

    >>> survived(b'{"value":[]}', decimals=True), survived(b"null", decimals=True)
    (True, False)
    """
    if body.removeprefix(_BOM).lstrip(_BLANK)[:1] != b"{":
        return False
    alike = body.translate(_ALIKE, _BLANK)
    if b"}null" in alike:  # a second document
        return False
    return not decimals or not (_has_far_exponent(alike) or _DISGUISED.search(body))


def _has_far_exponent(alike: bytes) -> bool:
    at = alike.find(_FAR)
    while at >= 0:
        if _NUMBER.match(alike, alike.rfind(b":", 0, at)):
            return True
        at = alike.find(_FAR, at + 1)
    return False
