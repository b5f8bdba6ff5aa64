"""A question whose answer is one small JSON object: metadata, a count, who answers; or a list, with all its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from p2c_lib.errors import AnswerTooLarge, IncompleteRead
from p2c_lib.odata.characters import TooMuch, plain_json
from p2c_lib.odata.failures import failure, not_json
from p2c_lib.odata.links import own_link
from p2c_lib.odata.send import Answer, Sender
from p2c_lib.odata.shelf import Tagged
from p2c_lib.secrecy import masked

__all__ = ["NEXT", "ask_json", "ask_list", "ask_tagged", "whole_list"]

TRIES = 6
NEXT = "@odata.nextLink"
MOST_LIST_PAGES = 1_000  # F&O has some ten thousand entities and Dataverse some thousand tables
MOST_LIST_ROWS = 1_000_000
LARGEST = 40 * 1024 * 1024  # bytes; all definitions of the largest tenant have fewer
NOT_SO_LARGE = "No service describes itself at such length: something between here and it makes the answer so large."


def ask_json(
    sender: Sender, url: str, headers: Mapping[str, str], target: str, *, post: bytes | None = None, once: bool = False
) -> dict[str, Any]:
    """The JSON object at a URL, or the answer to what is posted there; one that arrives damaged is asked for again.

    With ``once`` nothing is sent a second time that the service may have begun with. Raises what the service's error
    stands for, NotTheService for what does not even call itself JSON, or IncompleteRead for what is no JSON object in
    the end.
    """
    return _asked(sender, url, headers, target, post=post, once=once).content


def ask_list(sender: Sender, url: str, headers: Mapping[str, str], target: str) -> dict[str, Any]:
    """A list at a URL, its pages put together. Raises as ``ask_json`` and ``whole_list`` do."""
    return whole_list(sender, ask_json(sender, url, headers, target), url, headers, target)


def whole_list(
    sender: Sender, first: dict[str, Any], url: str, headers: Mapping[str, str], target: str
) -> dict[str, Any]:
    """The list that ``first`` is a page of. Raises IncompleteRead for pages that go in a circle, never end, or lead
    to another host."""
    rows, seen, link = _rows(first, target), {url}, first.get(NEXT)
    while link is not None:
        if not isinstance(link, str):
            raise IncompleteRead(f"{target}: {NEXT} of a list is {link!r:.60}, which is no address.", target=target)
        link = own_link(link, sender.connection.url, target)
        if link in seen or len(seen) >= MOST_LIST_PAGES:
            said = "go in a circle" if link in seen else f"do not end after {len(seen):,}"
            raise IncompleteRead(f"{target}: the pages of the service's list {said}.", target=target)
        seen.add(link)
        page = ask_json(sender, link, headers, target)
        rows += _rows(page, target)
        link = page.get(NEXT)
        if len(rows) > MOST_LIST_ROWS:
            raise AnswerTooLarge(f"{target}: the service's list does not end after {len(rows):,} rows.", target=target)
    return {**{name: value for name, value in first.items() if name != NEXT}, "value": rows}


def _rows(page: dict[str, Any], target: str) -> list[dict[str, Any]]:
    """The rows of a page of a list. Raises IncompleteRead for one that holds anything else."""
    rows = page.get("value")
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise IncompleteRead(f"{target}: a list holds something else than rows: {rows!r:.60}", target=target)
    return rows


def ask_tagged(sender: Sender, url: str, headers: Mapping[str, str], target: str, kept: Tagged | None = None) -> Tagged:
    """The JSON object at a URL with its etag; ``kept`` itself where the service says that nothing has changed."""
    if kept is None:
        return _asked(sender, url, headers, target)
    return _asked(sender, url, {**headers, "If-None-Match": kept.etag}, target, kept=kept)


def _asked(
    sender: Sender,
    url: str,
    headers: Mapping[str, str],
    target: str,
    *,
    post: bytes | None = None,
    once: bool = False,
    kept: Tagged | None = None,
) -> Tagged:
    method = "GET" if post is None else "POST"
    tries = 1 if once else TRIES
    for attempt in range(tries):
        answer = _sent(sender, method, url, headers, post, target, repeatable=not once)
        if answer.status == 304 and kept is not None:
            return kept
        if answer.status >= 300:
            raise failure(answer.status, answer.headers, answer.body, target, length=len(url))
        try:
            return Tagged(_etag(answer.headers), _object(answer.body, target))
        except IncompleteRead as error:
            if post is None and (other := not_json(answer.status, answer.headers, target)):
                raise other from error
            if attempt + 1 == tries:
                raise
    raise IncompleteRead(f"{target}: no answer.", target=target)


def _sent(
    sender: Sender,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    target: str,
    *,
    repeatable: bool,
) -> Answer:
    """The answer. Raises AnswerTooLarge for one that is larger than any description, whatever rows may have."""
    try:
        return sender.send(method, url, headers=headers, body=body, target=target, repeatable=repeatable, most=LARGEST)
    except AnswerTooLarge as error:
        if sender.connection.largest_answer <= LARGEST:
            raise
        raise AnswerTooLarge(error.message, status=error.status, target=target, hint=NOT_SO_LARGE) from None


def _etag(headers: Mapping[str, str]) -> str:
    """The etag of an answer; none where it is one that no header carries back."""
    told = headers.get("etag", "")
    return told if told.isascii() and told.isprintable() else ""


def _object(body: bytes, target: str) -> dict[str, Any]:
    try:
        found = plain_json(body)
    except TooMuch as error:
        raise AnswerTooLarge(f"{target}: the answer is too large: {error}.", target=target, hint=NOT_SO_LARGE) from None
    except ValueError as error:
        raise IncompleteRead(f"{target}: the answer is not JSON ({error}).", target=target) from None
    if not isinstance(found, dict):
        raise IncompleteRead(f"{target}: the answer is {type(found).__name__}, not an object.", target=target)
    if "error" in found and "value" not in found:
        raise IncompleteRead(
            f"{target}: an error came as a good answer: {masked(str(found['error']))[:300]}", target=target
        )
    return found
