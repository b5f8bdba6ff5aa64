"""Etags of what seldom changes: metadata that a client already holds is answered with 304 and no body."""

from __future__ import annotations

import hashlib

from p2c_lib.sandbox.wire import Answer, Call

__all__ = ["tagged"]


def tagged(call: Call, answer: Answer) -> Answer:
    """The answer with an etag of its body, or 304 where ``If-None-Match`` names that etag; other statuses as they are.

    Etags are strong here; a weak form of one that comes back is taken for the same, as HTTP has it for reads.
    """
    if call.method != "GET" or answer.status != 200:
        return answer
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    known = {one.strip().removeprefix("W/") for one in call.headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        kept = [pair for pair in answer.headers if pair[0].lower() != "content-type"]
        return Answer(304, [*kept, ("ETag", etag)])
    answer.headers.append(("ETag", etag))
    return answer
