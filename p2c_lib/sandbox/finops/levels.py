"""How much control information an answer carries: ``$format``, else the Accept header, else minimal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from p2c_lib.sandbox.finops.refusals import bad_query
from p2c_lib.sandbox.payload import wide_as_text
from p2c_lib.sandbox.wire import Answer, Call

_LEVELS = ("none", "minimal", "full")
_ASKED = re.compile(r"odata\.metadata=(none|minimal|full)\b")
# Parameters of the media type that change nothing of how much is answered.
_IDLE = {
    ("odata.streaming", "true"),
    ("odata.streaming", "false"),
    ("charset", "utf-8"),
    ("ieee754compatible", "false"),
    ("ieee754compatible", "true"),
}


def level(call: Call) -> str:
    """``none``, ``minimal`` or ``full``; `Refusal` (400) for a ``$format`` that is not followed."""
    form = call.options().get("$format")
    if form is not None:
        return format_level(form)
    found = _ASKED.search(call.headers.get("accept", "").lower())
    return found.group(1) if found else "minimal"


def compatible(call: Call) -> bool:
    """Whether decimals and whole numbers of 64 bits are to be told as texts."""
    return wide_as_text(call.options().get("$format", call.headers.get("accept", "")))


def format_level(form: str) -> str:
    """The level that a ``$format`` asks for.

    >>> format_level("application/json;odata.metadata=none"), format_level("json")
    ('none', 'minimal')
    """
    kind, *parameters = (part.strip().lower() for part in form.split(";"))
    if kind not in {"json", "application/json"}:
        raise bad_query(f"The value '{form[:40]}' of the query option '$format' is not supported; it takes json.")
    asked = "minimal"
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name == "odata.metadata" and value in _LEVELS:
            asked = value
        elif (name, value) not in _IDLE:
            raise bad_query(
                f"'{parameter[:40]}' in the query option '$format' is not supported; it takes odata.metadata=none, "
                "minimal or full."
            )
    return asked


def json_headers(call: Call, *, applied: str = "") -> list[tuple[str, str]]:
    """The headers of an answer with a JSON body."""
    pairs = [("Content-Type", f"application/json; odata.metadata={level(call)}"), ("OData-Version", "4.0")]
    return [*pairs, ("Preference-Applied", applied)] if applied else pairs


def json_answer(call: Call, body: Mapping[str, Any]) -> Answer:
    """An answer of plain members, its context left out where none is asked for."""
    if level(call) == "none":
        body = {name: value for name, value in body.items() if name != "@odata.context"}
    return Answer(200, json_headers(call), json.dumps(body).encode())
