"""``$batch``: operations in order, change sets all or nothing, ``$1`` for what an earlier operation made."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeAlias

from p2c_lib.sandbox.batch import Answered, One, Operation, read_batch, write_batch
from p2c_lib.sandbox.dataverse.keys import Contents
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.records import no_contents
from p2c_lib.sandbox.dataverse.refusals import bad_query, not_allowed
from p2c_lib.sandbox.dataverse.request import refused
from p2c_lib.sandbox.dataverse.segments import prefix
from p2c_lib.sandbox.failing import fault
from p2c_lib.sandbox.holding import shared
from p2c_lib.sandbox.wire import Answer, Call, split_url

LARGEST = 1000
_REFERENCE = re.compile(r"/?(\$\w+)(/.*)?", re.DOTALL)

Answering: TypeAlias = Callable[[Organisation, Call, Contents], Answer]


class _Undone(Exception):
    """A change set failed; what it did is taken back."""

    def __init__(self, answered: One) -> None:
        super().__init__("change set")
        self.answered = answered


def batch(organisation: Organisation, call: Call, answering: Answering) -> Answer:
    """Answer a batch; its status is 200, or that of the operation it stopped at."""
    if call.method != "POST":
        raise not_allowed(call.method, "$batch")
    parts = read_batch(call.headers.get("content-type", ""), call.body, limit=LARGEST)
    preferences = call.preferences()
    told = preferences.get("odata.continue-on-error", preferences.get("continue-on-error", "false"))
    going_on = told.lower() != "false"
    writes = any(isinstance(part, tuple) or part.method != "GET" for part in parts)
    for operation in (one for part in parts for one in (part if isinstance(part, tuple) else (part,))):
        if operation.url.partition("?")[0].rstrip("/").endswith("$batch"):
            raise bad_query("A batch inside a batch is not supported.")
    answers: list[Answered] = []
    status = 200

    def run() -> None:
        nonlocal status
        for part in parts:
            answered = _part(organisation, call, part, answering)
            answers.append(answered)
            worst = (
                max((one[0].status for one in answered), default=200)
                if isinstance(answered, list)
                else answered[0].status
            )
            if worst >= 400 and not going_on:
                status = worst
                return

    # Writes are one transaction for the whole batch; each part has its own savepoint inside.
    with shared(organisation.store), organisation.store.write() if writes else nullcontext():
        run()
    content_type, body = write_batch(answers)
    headers = [("Content-Type", content_type), ("OData-Version", "4.0")]
    return Answer(status, headers, body)


def _part(
    organisation: Organisation, call: Call, part: Operation | tuple[Operation, ...], answering: Answering
) -> Answered:
    if isinstance(part, tuple):
        return _change_set(organisation, call, part, answering)
    return _one(organisation, _inner(call, part, no_contents), no_contents, answering), None


def _one(organisation: Organisation, call: Call, contents: Contents, answering: Answering) -> Answer:
    """The answer to one operation; what fails in it is that operation's alone."""
    try:
        return answering(organisation, call, contents)
    except Exception:
        return refused(fault(call), annotated=False)


def _change_set(
    organisation: Organisation, call: Call, operations: tuple[Operation, ...], answering: Answering
) -> Answered:
    made: dict[str, str] = {}
    answers: list[One] = []

    def contents(reference: str) -> str | None:
        return made.get(reference)

    try:
        with organisation.store.write():
            for operation in operations:
                answer = _one(organisation, _inner(call, operation, contents), contents, answering)
                if answer.status >= 400:
                    raise _Undone((answer, operation.content_id))
                location = answer.header("OData-EntityId")
                if location is not None:
                    made[f"${operation.content_id}"] = location
                answers.append((answer, operation.content_id))
    except _Undone as undone:
        plain = organisation.switches.failed_change_set == "plain"
        return undone.answered if plain else [undone.answered]
    return answers


def _inner(call: Call, operation: Operation, contents: Contents) -> Call:
    url = operation.url
    match = _REFERENCE.fullmatch(url)
    if match is not None and not match.group(1).startswith(("$metadata", "$batch")):
        target = contents(match.group(1))
        if target is None:
            return _absent(call, operation, match.group(1))
        url = target + (match.group(2) or "")
    path, query = split_url(url)
    if not url.startswith("/") and "://" not in url.partition("?")[0]:
        path = f"/{prefix(call.path)}{path}"
    return Call(operation.method, path, query, operation.headers, operation.body, call.base)


def _absent(call: Call, operation: Operation, reference: str) -> Call:
    return Call(operation.method, f"/{prefix(call.path)}{reference}", "", operation.headers, operation.body, call.base)
