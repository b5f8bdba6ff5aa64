"""A question whose answer is one small JSON object: metadata, a count, who answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata.send import Sender

__all__ = ["ask_json"]

TRIES = 6


def ask_json(sender: Sender, url: str, headers: Mapping[str, str], target: str) -> dict[str, Any]:
    """The JSON object at a URL; one that arrives damaged is asked for again.

    Raises what the service's error stands for, or IncompleteRead for what is no JSON object in the end.
    """
    for attempt in range(TRIES):
        try:
            return _object(sender.ask("GET", url, headers=headers, target=target).body, target)
        except IncompleteRead:
            if attempt + 1 == TRIES:
                raise
    raise IncompleteRead(f"{target}: no answer.", target=target)


def _object(body: bytes, target: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise IncompleteRead(f"{target}: the answer is not JSON ({error}).", target=target) from None
    if not isinstance(found, dict):
        raise IncompleteRead(f"{target}: the answer is {type(found).__name__}, not an object.", target=target)
    if "error" in found and "value" not in found:
        raise IncompleteRead(f"{target}: an error came as a good answer: {str(found['error'])[:300]}", target=target)
    return found
