"""Writes go out in batches or bulk messages, in parallel, and every one of them gets its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import replace
from typing import Any

from p2c_lib.errors import (
    AnswerTooLarge,
    Drifted,
    Duplicate,
    FrameError,
    IncompleteRead,
    NotFound,
    NotSent,
    ServiceError,
    Unreachable,
)
from p2c_lib.odata.batch import Part, Reply, frame, frame_change_set, replies
from p2c_lib.odata.bulk import BULK_ROWS, BulkMessages
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.failures import (
    failure,
    is_data_error,
    is_told,
    is_transient,
    may_have_begun,
    no_write,
    not_the_service,
    request_id,
    was_put_off,
)
from p2c_lib.odata.retry_after import retry_after
from p2c_lib.odata.runs import Prepared, Ready, Run, named
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Answer, Sender
from p2c_lib.odata.settle import Doubt
from p2c_lib.odata.telling import tell_wait
from p2c_lib.odata.whose import row_id_told, stranger
from p2c_lib.odata.writes import WriteResult
from p2c_lib.waiting import Stop, Threads, never

__all__ = ["Writer"]

Progress = Callable[[int, int], None]
Settled = list[tuple[int, WriteResult]]
Settle = Callable[[EntitySchema, Sequence[Doubt]], list[bool | None]]
ROUNDS = 8
BREAKDOWNS = 3
READ_AGAIN = (
    "What was written shows in the next reconciliation; something between here and the service changes answers."
)
UNCLEAR = "the answer was lost, and its row does not tell whether it was written: it holds"
ROUNDED = "a number with fewer decimals, as it would if the service kept no more of them then, or as it may have before"
MAY_READ = "Reconcile again and plan anew; the application user should be able to read the organisation and currencies."
CUT = "the beginning of a text, as it would if F&O cut what is too long, or as it may have before"
SHORTER = "Make the text fit its column, then reconcile again and plan anew."
BATCHES_AT_ONCE = 8
WITH_ROW = "Prefer: return=representation\r\n"


class _Misplaced(Unreachable):
    """The answers of a batch are not those to its writes, one after the other."""


class _Foreign(Exception):
    """What came in the place of an answer is not the service's: it may have carried out what was sent, or not."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.message)
        self.error = error


class Writer:
    """Writes for one service. Runs of one operation on one set go out in parallel, one run after the other.

    ``settle`` tells whether rows are already as writes want them; it is asked when an answer was lost on the way. Once
    ``stop`` says so no request is begun. With ``versions`` the service is asked to tell that of each written row.
    """

    def __init__(
        self,
        sender: Sender,
        dialect: Dialect,
        bulk: BulkMessages,
        settle: Settle,
        stop: Stop = never,
        *,
        versions: bool = False,
    ) -> None:
        self._sender, self._dialect, self._bulk, self._settle, self._stop = sender, dialect, bulk, settle, stop
        self._versions = versions

    def until(self, stop: Stop, *, versions: bool = False) -> Writer:
        """The same writer, which begins no request once ``stop`` says so."""
        return Writer(self._sender, self._dialect, self._bulk, self._settle, stop, versions=versions)

    def write(self, prepared: Prepared, progress: Progress | None) -> list[WriteResult]:
        """One result a write, in order; a refused one stops no other."""
        done = len(prepared.refused)
        total = done + sum(len(run) for run in prepared.runs)
        results: list[WriteResult | None] = [None] * total
        for place, result in prepared.refused:
            results[place] = result
        for run in prepared.runs:
            for settled in self._run(run):
                for place, result in settled:
                    results[place] = result
                done += len(settled)
                if progress is not None:
                    progress(done, total)
        return [result for result in results if result is not None]

    def write_together(self, prepared: Prepared) -> list[WriteResult]:
        """All writes or none, as one change set. Raises FrameError for more than the service takes in one.

        One that no request can carry keeps all of them from being sent. Where the answer is lost, or is not the
        service's, the rows are looked at; the ServiceError is raised where they do not show that all was done.
        """
        ready = [each for run in prepared.runs for each in run.ready(0, len(run))]
        if prepared.refused:
            return [prepared.refused[0][1]] * (len(prepared.refused) + len(ready))
        if not ready:
            return []
        if len(ready) > self._dialect.batch_limit:
            raise FrameError(
                f"{len(ready):,} writes do not fit one change set.", hint=f"At most {self._dialect.batch_limit:,} do."
            )
        try:
            answers, asked, _ = self._exchange(ready, together=True)
        except _Misplaced:
            raise
        except _Foreign as came:
            return self._all_done(ready, came.error)
        except (Unreachable, IncompleteRead) as lost:
            return self._all_done(ready, lost)
        refused = _refused(answers)
        if refused is None and len(answers) == len(ready):
            return [self._result(each, reply, asked) for each, reply in zip(ready, answers, strict=True)]
        if refused is None:
            half = Unreachable("The answer to a change set is not whole.", hint="Read the rows again.")
            return self._all_done(ready, half)
        error = failure(refused.status, refused.headers(), refused.body, f"one of {len(ready)} writes of a change set")
        if _may_have_begun(refused):
            return self._all_done(ready, error)
        return [WriteResult(refused.status, None, error, asked) for _ in ready]

    def _all_done(self, ready: Sequence[Ready], error: ServiceError) -> list[WriteResult]:
        """The outcome of a change set whose answer does not tell: done, where every row shows it.

        Raises the error otherwise; as Unreachable where it is open whether all was done.
        """
        known = all(each.repeatable for each in ready)
        try:
            done = self._settle_all(ready) if known else [None]
        except ServiceError:
            raise error from None
        if False in done or (None in done and error.can_retry):
            raise error
        if None in done:
            raise _open(error, error.target) from None
        return [WriteResult(204, each.row_id, None, error.request_id) for each in ready]

    def _run(self, run: Run) -> Iterator[Settled]:
        """The outcomes of a run, batch by batch as they come in."""
        in_bulk = self._bulk.fits(run)
        size = BULK_ROWS if in_bulk else self._dialect.batch_writes
        send = self._in_bulk if in_bulk else self._in_batch
        starts = range(0, len(run), size)
        if len(starts) == 1:
            yield send(run, 0, size)
            return
        pool = Threads(BATCHES_AT_ONCE, "batch")
        try:
            waiting = [pool.submit(send, run, start, start + size) for start in starts]
            for future in as_completed(waiting):
                yield future.result()
        except BaseException:
            pool.leave()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _in_batch(self, run: Run, start: int, stop: int) -> Settled:
        ready = run.ready(start, stop)
        alone = [each for each in ready if each.alone]
        together = [each for each in ready if not each.alone]
        settled = self._batch(together) if together else []
        return settled + [one for each in alone for one in self._batch([each])]

    def _in_bulk(self, run: Run, start: int, stop: int) -> Settled:
        """Rows of a run in one message; where one of them is refused, halves, and at last a batch that tells which."""
        stop = min(stop, len(run))
        if stop - start <= self._dialect.batch_writes // 4:
            return self._in_batch(run, start, stop)
        try:
            answer = self._bulk.send(run, start, stop, self._stop)
        except AnswerTooLarge as error:
            return self._by_rows(run.ready(start, stop), error)
        except ServiceError as error:
            return [(run.place(at), _failed(error)) for at in range(start, stop)]
        if answer.status < 300:
            stranger = no_write(answer.status, answer.headers, answer.body, run.schema.entity_set)
            if stranger is not None:
                return self._by_rows(run.ready(start, stop), stranger)
            asked = request_id(answer.headers)
            places = range(start, stop)
            return [(run.place(at), WriteResult(answer.status, run.row_id(at), None, asked)) for at in places]
        begun = may_have_begun(answer.status, answer.headers, answer.body)
        if begun and not run.repeatable:
            broken = failure(answer.status, answer.headers, answer.body, run.schema.entity_set)
            return self._by_rows(run.ready(start, stop), broken)
        if answer.resent or begun:
            ready, asked = run.ready(start, stop), request_id(answer.headers)
            return self._created_or_batch(ready, asked) if run.op == "create" else self._batch(ready, resent=True)
        middle = (start + stop) // 2
        return self._in_bulk(run, start, middle) + self._in_bulk(run, middle, stop)

    def _created_or_batch(self, ready: Sequence[Ready], asked: str) -> Settled:
        """Rows whose creation in bulk may have happened: when all are there it has, else a batch tells which."""
        try:
            done = self._settle_all(ready)
        except ServiceError as error:
            return [(each.place, _failed(_untold(error))) for each in ready]
        if all(done):
            return [(each.place, WriteResult(204, each.row_id, None, asked)) for each in ready]
        return self._batch(ready, resent=True)

    def _batch(self, batch: Sequence[Ready], *, resent: bool = False) -> Settled:
        """Every write of a batch with its outcome; what the service left unanswered or put off is sent again."""
        settled: Settled = []
        waiting, began = list(batch), self._sender.now()
        for attempt in range(ROUNDS):
            try:
                answers, asked, again = self._exchange(waiting)
            except _Misplaced as error:
                return settled + self._by_looking(waiting, error)
            except _Foreign as came:
                if came.error.status != 500 or attempt >= BREAKDOWNS or not all(each.repeatable for each in waiting):
                    return settled + self._by_rows(waiting, came.error)
                resent = True
                self._rest(waiting, self._sender.patience.wait(attempt), attempt)
                continue
            except ServiceError as error:
                ended = _unanswered(error) if resent and isinstance(error, NotSent) else error
                return settled + [(each.place, _failed(ended)) for each in waiting]
            resent = resent or again
            put_off: list[tuple[Ready, Reply]] = []
            answered: list[tuple[Ready, Reply]] = []
            for each, reply in zip(waiting, answers, strict=False):
                later = _is_put_off(each, reply) or _broke_down(each, reply, attempt)
                (put_off if later else answered).append((each, reply))
            settled += self._results(answered, asked, resent=resent)
            left_out = waiting[len(answers) :]
            unanswered = [each for each in left_out if each.repeatable]
            settled += [(each.place, _failed(_left_out(each, asked))) for each in left_out if not each.repeatable]
            resent = resent or bool(unanswered) or any(_may_have_begun(reply) for _, reply in put_off)
            waiting = [each for each, _ in put_off] + unanswered
            if not waiting:
                return settled
            wait = self._asked_wait(put_off, attempt)
            if self._sender.now() - began + wait > self._sender.patience.budget:
                break
            self._rest(waiting, wait, attempt)
        return settled + [(each.place, _failed(_put_off(each))) for each in waiting]

    def _by_looking(self, waiting: Sequence[Ready], error: ServiceError) -> Settled:
        """The outcome of writes whose answers are not believed: done is what stands in its row.

        What does not stand there is written once more, each row by itself, so that the answer can be no other's.
        """
        looked_at = [each for each in waiting if each.op != "delete" and each.repeatable]
        try:
            done = self._settle_all(looked_at)
        except ServiceError as unread:
            return [(each.place, _failed(_untold(unread))) for each in waiting]
        there = {each.place for each, was in zip(looked_at, done, strict=True) if was}
        settled = [(each.place, WriteResult(204, each.row_id, None, "")) for each in waiting if each.place in there]
        for each in waiting:
            if each.place not in there and each.repeatable:
                settled += self._batch([each], resent=True)
            elif each.place not in there:
                settled.append((each.place, _failed(_nobody_knows(each, error))))
        return settled

    def _by_rows(self, ready: Sequence[Ready], error: ServiceError) -> Settled:
        """The outcome of writes that something else than the service answered, with an error: their rows tell.

        What does not stand in its row has that error.
        """
        known = [each for each in ready if each.repeatable]
        ended = {each.place: _failed(_nobody_knows(each, error)) for each in ready if not each.repeatable}
        try:
            done = self._settle_all(known)
        except ServiceError as unread:
            ended |= {each.place: _failed(_untold(unread, error)) for each in known}
            done, known = [], []
        for each, was in zip(known, done, strict=True):
            ended[each.place] = _outcome(each, _failed(error), error.request_id, was=was)
        return [(each.place, ended[each.place]) for each in ready]

    def _settle_all(self, ready: Sequence[Ready]) -> list[bool | None]:
        """Whether each of some writes of one set is in its row; a new row of Sales by the id that it was given here."""
        return self._settle(ready[0].schema, [each.doubt() for each in ready]) if ready else []

    def _asked_wait(self, put_off: list[tuple[Ready, Reply]], attempt: int) -> float:
        """As long as the put-off writes are asked to wait, and never less than waits that grow by themselves."""
        asked = [retry_after(reply.headers()) for _, reply in put_off]
        return max(self._sender.patience.wait(attempt), *(wait for wait in asked if wait is not None), 0.0)

    def _rest(self, waiting: Sequence[Ready], wait: float, attempt: int) -> None:
        app, set_name = self._dialect.app, waiting[0].schema.entity_set
        why = f"put off {len(waiting):,} writes of a batch"
        tell_wait(app, why, wait, attempt=attempt + 2, of=ROUNDS, target=set_name)
        self._sender.rest(wait, self._stop)

    def _exchange(self, batch: Sequence[Ready], *, together: bool = False) -> tuple[list[Reply], str, bool]:
        """The answers of one batch in order, its request id, and whether an earlier try may have been carried out.

        Raises _Foreign for what is not the service's answer, and _Misplaced for answers in another's place.
        """
        if len(batch) == 1:
            return self._single(batch[0])
        parts = [self._part(each) for each in batch]
        body, content_type = frame_change_set(parts) if together else frame(parts)
        headers = {"Content-Type": content_type, "Prefer": "odata.continue-on-error"}
        target = batch[0].schema.entity_set
        url = self._dialect.options_url(f"{self._dialect.root}$batch")
        repeatable = not together and all(each.repeatable for each in batch)
        answer = self._send(
            "POST", url, headers=headers, body=body, target=target, repeatable=repeatable, as_it_came=True
        )
        if "multipart" not in answer.headers.get("content-type", ""):
            raise _no_batch(answer, target)
        answers = replies(answer.headers, answer.body, target)
        if together and _refused(answers) is not None:  # one part says why all were refused, under whichever number
            return answers, request_id(answer.headers), answer.resent
        if said := stranger(batch, answers):
            raise _Misplaced(f"{target}: {said}: which is whose cannot be told.", target=target, hint=READ_AGAIN)
        return answers, request_id(answer.headers), answer.resent

    def _part(self, each: Ready) -> Part:
        """The request of a write; Sales tells the version of a row only where the row is asked for, F&O of new ones."""
        if not self._versions or each.schema.app != "sales" or each.op == "delete":
            return each.part
        path = f"{each.part.path}{'&' if '?' in each.part.path else '?'}$select={each.schema.key[0]}"
        return replace(each.part, path=path, headers=f"{each.part.headers}{WITH_ROW}")

    def _single(self, each: Ready) -> tuple[list[Reply], str, bool]:
        """One write needs no batch around it."""
        part = self._part(each)
        headers = {"Content-Type": "application/json"}
        headers |= {name: value for name, _, value in (line.partition(": ") for line in part.headers.splitlines())}
        body = part.body.encode() if part.body else None
        answer = self._send(
            part.method,
            part.path,
            headers=headers,
            body=body,
            target=part.path,
            repeatable=each.repeatable,
            as_it_came=True,
        )
        head = "\r\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode("latin-1", "replace")
        return [Reply(answer.status, head, answer.body)], request_id(answer.headers), answer.resent

    def _send(self, method: str, url: str, **sent: Any) -> Answer:
        """One exchange. Raises _Foreign for an answer that nobody can hold: that of the service is a small one."""
        try:
            return self._sender.send(method, url, stop=self._stop, **sent)
        except AnswerTooLarge as error:
            raise _Foreign(error) from error

    def _results(self, answered: list[tuple[Ready, Reply]], asked: str, *, resent: bool) -> Settled:
        """The outcome of each answered write; the rows of those that may have been carried out are looked at."""
        results = [(each.place, self._result(each, reply, asked)) for each, reply in answered]
        doubts = [
            at for at, (each, reply) in enumerate(answered) if _in_doubt(each, reply, results[at][1], resent=resent)
        ]
        nameless = [at for at in doubts if not answered[at][0].repeatable]
        for at in nameless:
            each, result = answered[at][0], results[at][1]
            if result.error is not None:
                results[at] = each.place, _failed(_nobody_knows(each, result.error))
        looked_at = [at for at in doubts if at not in nameless and not _gone(answered[at][0], results[at][1])]
        try:
            done = dict(zip(looked_at, self._settle_all([answered[at][0] for at in looked_at]), strict=True))
        except ServiceError as error:  # nobody can tell now whether these were written, and so it is said
            for at in looked_at:
                foreign = results[at][1].error if _may_have_begun(answered[at][1]) else None
                results[at] = answered[at][0].place, _failed(_untold(error, foreign))
            return results
        for at in doubts:
            each, result = answered[at][0], results[at][1]
            if at not in nameless:
                results[at] = each.place, _outcome(each, result, asked, was=done.get(at, True))
        return results

    def _error(self, each: Ready, reply: Reply) -> ServiceError | None:
        """The error an answer stands for; None for one that says that the write was done."""
        if reply.status < 300 and no_write(reply.status, reply.headers(), reply.body, "") is None:
            return None
        row, headers = named(each.write(), each.schema), reply.headers()
        if reply.status < 300:
            return no_write(reply.status, headers, reply.body, row)
        return failure(reply.status, headers, reply.body, row, length=len(each.part.path))

    def _result(self, each: Ready, reply: Reply, asked: str) -> WriteResult:
        error = self._error(each, reply)
        if error is None:
            return WriteResult(reply.status, each.row_id or row_id_told(reply), None, asked, reply.etag())
        return WriteResult(reply.status, each.row_id if each.op != "create" else None, error, error.request_id or asked)


def _refused(answers: Sequence[Reply]) -> Reply | None:
    return next((reply for reply in answers if reply.status >= 300), None)


def _no_batch(answer: Answer, target: str) -> _Foreign | ServiceError:
    """What is raised for an answer to a batch that is none: an error, if the service itself says so, or a doubt."""
    if answer.status >= 300:
        error = failure(answer.status, answer.headers, answer.body, target)
        return _Foreign(error) if may_have_begun(answer.status, answer.headers, answer.body) else error
    other = not_the_service(answer.status, answer.headers, answer.body, target)
    return _Foreign(other or IncompleteRead(f"{target}: the answer to a batch is no batch.", target=target))


def _outcome(each: Ready, result: WriteResult, asked: str, *, was: bool | None) -> WriteResult:
    """The outcome of a write whose row was looked at: done, as it was answered, or unclear."""
    if was:
        return WriteResult(204, each.row_id, None, asked)
    return _failed(_unclear(each)) if was is None else result


def _nobody_knows(each: Ready, error: ServiceError) -> ServiceError:
    """What is said of a new row that has no key yet, when something else than the service answered."""
    return _open(error, named(each.write(), each.schema))


def _open(error: ServiceError, row: str) -> ServiceError:
    said = f"{error.message.rstrip('.')}. Whether it was written is not known, and it is not sent twice."
    return Unreachable(said, status=error.status, target=row, request_id=error.request_id, hint=READ_AGAIN)


def _untold(unread: ServiceError, error: ServiceError | None = None) -> ServiceError:
    """What is said of a write whose answer was lost, or told nothing, when its row cannot be looked at either."""
    came = "Its answer was lost" if error is None else error.message.rstrip(".")
    return Unreachable(
        f"{came}, and its row cannot be read: {unread.message}",
        status=0 if error is None else error.status,
        target=unread.target,
        hint="Whether it was written shows in the next reconciliation.",
    )


def _unclear(each: Ready) -> ServiceError:
    """What is said of a write whose answer was lost, and whose row may hold what the service makes of it, or not."""
    row = named(each.write(), each.schema)
    what, hint = (CUT, SHORTER) if each.schema.app == "finops" else (ROUNDED, MAY_READ)
    return Unreachable(f"{row}: {UNCLEAR} {what}.", target=row, hint=hint)


def _is_put_off(each: Ready, reply: Reply) -> bool:
    """Whether a write is sent again later; what must not happen twice only where it was not taken up."""
    if not is_transient(reply.status, reply.body):
        return False
    return each.repeatable or was_put_off(reply.status, reply.headers(), reply.body)


def _left_out(each: Ready, asked: str) -> ServiceError:
    """What is said of a new row without a key of its own when a batch's answer ended before it came to it."""
    row = named(each.write(), each.schema)
    return _open(Unreachable(f"{row}: the answer to its batch does not come to it.", request_id=asked), row)


def _broke_down(each: Ready, reply: Reply, attempt: int) -> bool:
    """Whether a write met a failure of the service itself, which a few more tries may get past without harm."""
    return attempt < BREAKDOWNS and each.repeatable and reply.status == 500 and not is_data_error(reply.body)


def _may_have_begun(reply: Reply) -> bool:
    return may_have_begun(reply.status, reply.headers(), reply.body)


def _in_doubt(each: Ready, reply: Reply, result: WriteResult, *, resent: bool) -> bool:
    """Whether a write may have been carried out, though its answer does not say so.

    That is where something else than the service answered, and where an earlier try, whose answer was lost, may have
    done what the repeated one is refused for. A refusal that arrives damaged does not say what for.
    """
    if result.error is None:
        return False
    if reply.status < 300 or _may_have_begun(reply):
        return True
    if not resent:
        return False
    if not is_told(reply.body):
        return True
    return isinstance(result.error, NotFound if each.op == "delete" else (Duplicate, Drifted, NotFound))


def _gone(each: Ready, result: WriteResult) -> bool:
    """Whether the service itself says that the row of a delete is not there."""
    return each.op == "delete" and isinstance(result.error, NotFound)


def _failed(error: ServiceError) -> WriteResult:
    return WriteResult(error.status, None, error, error.request_id)


def _unanswered(stopped: NotSent) -> ServiceError:
    """What is said of writes of which an earlier try may have been carried out when it was asked to stop."""
    return Unreachable("The answer never came, and it was asked to stop.", target=stopped.target)


def _put_off(each: Ready) -> ServiceError:
    row = named(each.write(), each.schema)
    return Unreachable(
        f"{row}: the service put this write off {ROUNDS} times, or for longer than the time budget.",
        target=row,
        hint="Plan again later: whether it was written shows in the next reconciliation.",
    )
