"""Writes go out in batches, in parallel, and every one of them gets its outcome."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import uuid4

from p2c_lib.errors import Drifted, Duplicate, FrameError, NotAuthorised, NotFound, ServiceError, Unreachable
from p2c_lib.odata.batch import Part, Reply, frame, replies
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.failures import failure, is_transient
from p2c_lib.odata.literals import key_path, unsafe_in_path
from p2c_lib.odata.metadata import Metadata
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Sender, retry_after
from p2c_lib.odata.writes import Write, WriteResult

__all__ = ["Writer"]

Progress = Callable[[int, int], None]
ROUNDS = 8
METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE"}
_ENTITY_ID = re.compile(rb"(?im)^(?:odata-entityid|location):\s*\S*?\(([^)\r\n]*)\)\s*$")
_REQUEST_ID = re.compile(rb"(?im)^(?:x-ms-service-request-id|req_id|request-id):\s*(\S+)")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A write as it travels: its place in the caller's list, its row's id, and whether sending it twice is safe."""

    place: int
    write: Write
    part: Part
    row_id: str | None
    repeatable: bool = True


class Writer:
    """Writes for one service: runs of one operation on one set go out in parallel, one run after the other."""

    def __init__(
        self,
        sender: Sender,
        dialect: Dialect,
        metadata: Metadata,
        settle: Callable[[Write, str | None], bool],
        find_id: Callable[[str, Mapping[str, object]], str],
    ) -> None:
        self._sender, self._dialect, self._metadata = sender, dialect, metadata
        self._settle, self._find_id = settle, find_id

    def write(self, writes: Sequence[Write], progress: Progress | None) -> list[WriteResult]:
        """One result a write, in order. Raises FrameError for the same row twice, UnknownName for a wrong column."""
        results: list[WriteResult | None] = [None] * len(writes)
        prepared = self._prepared(writes)
        done = 0
        for _, run in groupby(prepared, key=lambda sent: (sent.write.op, sent.write.entity_set)):
            for batch_results in self._run(list(run)):
                for place, result in batch_results:
                    results[place] = result
                done += len(batch_results)
                if progress is not None:
                    progress(done, len(writes))
        return [result for result in results if result is not None]

    def _prepared(self, writes: Sequence[Write]) -> list[_Sent]:
        seen: set[tuple[str, str, str]] = set()
        bodies: dict[str, Bodies] = {}
        prepared = []
        for place, write in enumerate(writes):
            schema = self._metadata.schema(write.entity_set)
            if write.entity_set not in bodies:
                bodies[write.entity_set] = Bodies(schema, self._dialect, self._metadata.set_of)
            write = self._addressed(write, schema)
            path = key_path(schema, write.key) if write.key else ""
            _check_once(seen, write, path)
            prepared.append(self._prepare(place, write, path, bodies[write.entity_set], schema))
        return prepared

    def _addressed(self, write: Write, schema: EntitySchema) -> Write:
        """The write by its row's id where its key holds characters that break a Dataverse key URL."""
        broken = write.op != "create" and schema.app == "sales" and write.key and unsafe_in_path(write.key)
        if not broken or not write.key:
            return write
        return replace(write, key={schema.key[0]: self._find_id(write.entity_set, write.key)})

    def _prepare(self, place: int, write: Write, path: str, bodies: Bodies, schema: EntitySchema) -> _Sent:
        url = self._dialect.set_url(write.entity_set)
        tail = self._dialect.options_url("")
        if write.op == "create":
            row_id, text = self._new_row(write, bodies, schema)
            repeatable = row_id is not None or _names_itself(write, schema)
            return _Sent(place, write, Part("POST", url + tail, "", text), row_id, repeatable)
        if not path:
            raise FrameError(f"A write to {write.entity_set} lacks a key.", hint="Give every key column.")
        match = (
            f"If-Match: {write.etag}\r\n" if write.etag else ("" if self._dialect.cross_company else "If-Match: *\r\n")
        )
        text = bodies.json(write) if write.op == "update" else ""
        named = write.key or {}
        row_id = str(named[schema.key[0]]) if len(named) == 1 and schema.key[0] in named else None
        return _Sent(place, write, Part(METHODS[write.op], url + path + tail, match, text), row_id)

    def _new_row(self, write: Write, bodies: Bodies, schema: EntitySchema) -> tuple[str | None, str]:
        """The body of a new row. In Sales it names its own id, so that a repeated send cannot make a second row."""
        whole = write.body if not write.key else {**write.key, **write.body}
        if not self._dialect.creates_name_their_id:
            return None, bodies.json(Write("create", write.entity_set, None, whole))
        row_id = str(whole.get(schema.key[0]) or uuid4())
        return row_id, bodies.json(Write("create", write.entity_set, None, {**whole, schema.key[0]: row_id}))

    def _run(self, run: list[_Sent]) -> list[list[tuple[int, WriteResult]]]:
        size = self._dialect.batch_writes
        batches = [run[start : start + size] for start in range(0, len(run), size)]
        if len(batches) == 1:
            return [self._batch(batches[0])]
        with ThreadPoolExecutor(min(len(batches), 8)) as pool:
            return list(pool.map(self._batch, batches))

    def _batch(self, batch: list[_Sent]) -> list[tuple[int, WriteResult]]:
        """Every write of a batch with its outcome; what the service left unanswered or put off is sent again."""
        results: list[tuple[int, WriteResult]] = []
        waiting, repeated = batch, False
        for attempt in range(ROUNDS):
            try:
                answers, request_id, resent = self._exchange(waiting)
            except NotAuthorised:
                raise
            except ServiceError as error:
                return results + [
                    (sent.place, WriteResult(error.status, None, error, error.request_id)) for sent in waiting
                ]
            repeated = repeated or resent
            put_off: list[tuple[_Sent, Reply]] = []
            for sent, reply in zip(waiting, answers, strict=False):
                if is_transient(reply.status, reply.body):
                    put_off.append((sent, reply))
                    continue
                results.append((sent.place, self._result(sent, reply, request_id, repeated=repeated)))
            unanswered = waiting[len(answers) :]
            repeated = repeated or bool(unanswered)
            waiting = [sent for sent, _ in put_off] + unanswered
            if not waiting:
                return results
            self._rest(put_off, attempt)
        return results + [(sent.place, _unanswered(sent)) for sent in waiting]

    def _rest(self, put_off: list[tuple[_Sent, Reply]], attempt: int) -> None:
        """Wait as long as the put-off writes are asked to, or a growing while."""
        asked = [retry_after(reply.headers()) for _, reply in put_off]
        time.sleep(max((wait for wait in asked if wait is not None), default=self._sender.patience.wait(attempt)))

    def _exchange(self, batch: list[_Sent]) -> tuple[list[Reply], str, bool]:
        """The answers of one batch in order, its request id, and whether an earlier try may have been carried out."""
        body, content_type = frame([sent.part for sent in batch])
        headers = {"Content-Type": content_type, "Prefer": "odata.continue-on-error"}
        target = batch[0].write.entity_set
        url = self._dialect.options_url(f"{self._dialect.root}$batch")
        repeatable = all(sent.repeatable for sent in batch)
        answer = self._sender.send("POST", url, headers=headers, body=body, target=target, repeatable=repeatable)
        if answer.status >= 300 and "multipart" not in answer.headers.get("content-type", ""):
            raise failure(answer.status, answer.headers, answer.body, target)
        request_id = answer.headers.get("x-ms-service-request-id") or answer.headers.get("request-id") or ""
        return replies(answer.headers, answer.body, target), request_id, answer.resent

    def _result(self, sent: _Sent, reply: Reply, request_id: str, *, repeated: bool) -> WriteResult:
        if reply.status < 300:
            return WriteResult(reply.status, sent.row_id or _row_id(reply), None, request_id)
        headers = reply.headers()
        error = failure(reply.status, headers, reply.body, _named(sent.write))
        if repeated and self._did_it(sent, error):
            return WriteResult(204, sent.row_id, None, request_id)
        return WriteResult(reply.status, sent.row_id, error, error.request_id or request_id)

    def _did_it(self, sent: _Sent, error: ServiceError) -> bool:
        """Whether an earlier try, whose answer was lost, had done what the repeated one is refused for."""
        if not isinstance(error, (Duplicate, Drifted, NotFound)):
            return False
        if sent.write.op == "delete":
            return isinstance(error, NotFound)
        return self._settle(sent.write, sent.row_id)


def _check_once(seen: set[tuple[str, str, str]], write: Write, path: str) -> None:
    named = path or (repr(sorted(write.key.items())) if write.key else "")
    if not named:
        return
    mark = (write.op, write.entity_set, named.casefold())
    if mark in seen:
        raise FrameError(
            f"{write.op} {write.entity_set}{named} comes twice in one call.",
            hint="Every row may be written once; a key that is there twice is settled before.",
        )
    seen.add(mark)


def _names_itself(write: Write, schema: EntitySchema) -> bool:
    """Whether a create gives its whole key, so that the service would refuse it the second time."""
    given = {**(write.key or {}), **write.body}
    return all(given.get(name) is not None for name in schema.key)


def _row_id(reply: Reply) -> str | None:
    found = _ENTITY_ID.search(reply.head)
    return found.group(1).decode("utf-8", "replace") if found else None


def _named(write: Write) -> str:
    if not write.key:
        return write.entity_set
    return f"{write.entity_set}({', '.join(f'{k}={v}' for k, v in write.key.items())})"


def _unanswered(sent: _Sent) -> WriteResult:
    error = Unreachable(
        f"{_named(sent.write)}: the service put this write off {ROUNDS} times.",
        target=_named(sent.write),
        hint="Plan again later: whether it was written shows in the next reconciliation.",
    )
    return WriteResult(0, sent.row_id, error, "")
