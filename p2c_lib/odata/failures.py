"""A service's error answer becomes one of our errors; which answers are worth another try."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from p2c_lib.errors import (
    Drifted,
    Duplicate,
    NoRoute,
    NotAuthorised,
    NotFound,
    NotSent,
    NotTheService,
    Rejected,
    ServiceError,
    Throttled,
    Unreachable,
    Unsendable,
    UrlTooLong,
)
from p2c_lib.odata.characters import plain_json, shown
from p2c_lib.odata.statuses import NOT_BEGUN, OF_THE_SERVICE, TRANSIENT, remedy, with_status
from p2c_lib.secrecy import masked, masked_bytes, one_line, visible

__all__ = [
    "NOT_THE_SERVICE",
    "SIGN_IN",
    "clean_infolog",
    "failure",
    "is_data_error",
    "is_told",
    "is_transient",
    "leaves_open",
    "may_have_begun",
    "no_write",
    "not_json",
    "not_the_service",
    "request_id",
    "sent_to",
    "was_put_off",
]

OF_A_PROXY = frozenset({407, 511})
DRIFTED = {"0x80060882"}
DUPLICATE = {
    "0x80060892",
    "0x80040237",
    "0x80040333",
    "0x80073002",
    "0x80043b06",
    "0x80043b08",
    "0x80043b0f",
    "0x80048cf3",
}
MISSING = {"0x80040217", "0x80060891"}
GONE = re.compile(r"\bwith id = \S+ does not exist\b")  # how old servers say it, without a code
TOO_LONG = re.compile(r"(query string|url|uri)\b.{0,20}\b(is )?(too (long|large)|longer than)|request too long")
# What stands before a service may say so with a status of its own; a page that only mentions it does not.
GATEWAY_TOO_LONG = re.compile(r"\b(uri|url)( is|:)? too (long|large)\b", re.IGNORECASE)
GATEWAYS = frozenset({502, 503})
# Dataverse's are hexadecimal, or the same number as a signed decimal; F&O's are empty.
OWN_CODE = re.compile(r"(?:0[xX][0-9a-fA-F]{1,8}|-?[0-9]{9,10})?")
ANNOTATED = "@Microsoft.PowerApps."  # only Dataverse adds to an error what it was asked for with Prefer
DOTNET = re.compile(r"(?:Microsoft|System)\.")
BEARER = re.compile(r"(?:^|,)\s*bearer\b", re.IGNORECASE)
# Windows' HTTP server says so of a step of a path that is longer than this, its default, as of one that is malformed.
INVALID_URL = re.compile(r"\binvalid url\b|\brequest url is invalid\b")
LONGEST_STEP = 260
NOISE = ("validatefield failed on field", "validatewrite failed on data source", "update has been canceled")
DATA_ERROR = b"AxODataWriteException"
EXCERPT = 300
LONGEST_ID = 200
LARGEST_ERROR = 512 * 1024  # bytes of an error's body that are looked at
MOST_IN_ERROR = 50_000  # values of one; services list each column that is wrong, and a stack
MOST_SAID = 4_000  # characters of a message: more tells nobody more
SIGN_IN = ("login.", "sts.", "adfs.", "signin.", "sso.")  # how the hosts begin where people are sent to sign in
NOT_THE_SERVICE = (
    "Is the address in p2c.toml the service's own, not a portal's? If it is, something stands before the service and "
    "asks for a sign-in: a proxy (HTTPS_PROXY), a VPN that is needed, or a conditional access policy."
)

_PREFIX = re.compile(r"^Write failed for table row of type '[^']*'\.\s*", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^<>]*>((?:(?!<title).)*?)</title>", re.IGNORECASE | re.DOTALL)
_TYPE = re.compile(r"<!DOCTYPE\b[^\[<>]*+(?:\[(.*?)(?:\]\s*>|\Z)|>)", re.IGNORECASE | re.DOTALL)
_DECLARED = re.compile(r"<!ENTITY\s+(?:%\s+)?([\w.:-]+)", re.IGNORECASE)
_REFERENCE = re.compile(r"&([\w.:-]+);")
_REMARK = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_LEVEL = re.compile(r"^(?:Infolog:\s*)?(?:Info|Warning|Error):\s*", re.IGNORECASE)


def is_transient(status: int, body: bytes) -> bool:
    """Whether the same request may succeed later by its status, but never a data error in disguise.

    Nor where what stands before the service says that the address is too long for it.
    """
    return status in TRANSIENT and not is_data_error(body) and not _is_too_long_for_gateway(status, body)


def _is_too_long_for_gateway(status: int, body: bytes) -> bool:
    told = status not in GATEWAYS or is_told(body)
    return not told and GATEWAY_TOO_LONG.search(_plain(body[:4000])[:EXCERPT]) is not None


def is_data_error(body: bytes) -> bool:
    """Whether the body of an error tells that the data are at fault, whatever its status says."""
    return DATA_ERROR in body


def request_id(headers: Mapping[str, str]) -> str:
    """The id that the service's support asks for, or an empty text."""
    for name in ("x-ms-service-request-id", "req_id", "request-id", "ms-dyn-aid", "x-ms-correlation-request-id"):
        if found := headers.get(name):
            return shown(found)[:LONGEST_ID]
    return ""


def clean_infolog(text: str) -> str:
    """The sentences of an F&O Infolog that tell the reason, without levels and follow-up lines.

    >>> clean_infolog("Write failed for table row of type 'T'. Infolog: Warning: No such group.; Warning: "
    ...               "validateField failed on field 'T.G'.")
    'No such group.'
    """
    lines = (_LEVEL.sub("", line.strip()) for line in _PREFIX.sub("", text).split("; "))
    told = [line for line in lines if line and not line.lower().startswith(NOISE)]
    kept = list(dict.fromkeys(re.sub(r"(?<!\.)\.\.+$", ".", line).replace("\n", " ") for line in told))
    return " ".join(kept) or text.strip()


def failure(
    status: int, headers: Mapping[str, str], body: bytes, target: str, *, length: int | None = None
) -> ServiceError:
    """The error that an answer stands for; survives bodies that are not JSON.

    ``target`` is what was asked for, such as a set or a row, and ``length`` that of its address, where that is known:
    only a long address is too long for a server that calls it invalid. 412 is told apart by its code: another row with
    that key, or a row that moved. Of a row only the service itself can say that: a 412, or a 404, in other words (of a
    router that cannot read an address, of a proxy, of an environment that is gone) knows of no row.
    """
    body = masked_bytes(body[:LARGEST_ERROR])  # before anything is cut: half a secret is found less surely
    if (stranger := not_the_service(status, headers, body, target)) is not None:
        return stranger
    code, message, inner = _parts(body)
    text = clean_infolog(inner) if inner else message
    asked = request_id(headers)
    parts: dict[str, Any] = {"status": status, "code": one_line(code), "target": target, "request_id": asked}
    parts["told"] = told = is_told(body)
    long = (not told and _is_too_long(status, text.lower(), length)) or _is_too_long_for_gateway(status, body)
    kind = UrlTooLong if long or status in {414, 431} else _kind(status, code.lower(), text.lower(), told=told)
    said = with_status(one_line(text) or f"HTTP {status} without a message", status, told=told)
    own = told and (status in OF_THE_SERVICE or is_data_error(body))
    return kind(f"{target}: {said}" if target else said, hint=_hint(kind, status, own=own), **parts)


def not_the_service(status: int, headers: Mapping[str, str], body: bytes, target: str) -> NotTheService | None:
    """The error for a redirect, or for a good answer that is a web page, as a proxy or a sign-in sends; else None.

    A token is not taken along to another host, so a redirect is not followed. JSON never begins with ``<``: an answer
    that does is none, whatever it calls itself.
    """
    if 300 <= status < 400 and status != 304:
        return _stranger(status, headers, target, f"the answer sends {_elsewhere(headers)} (status {status}).")
    if status >= 300 or not body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return None
    title = _TITLE.search(body[:20_000])
    said = f" ('{masked(_plain(title[1]))[:80]}')" if title and _plain(title[1]) else ""
    return _stranger(status, headers, target, f"a web page{said} came with status {status}, and no JSON.")


def not_json(status: int, headers: Mapping[str, str], target: str) -> NotTheService | None:
    """The error for a good answer that does not call itself JSON, where JSON was asked for and none came; else None.

    One that says nothing of its kind may be the service's own, damaged on its way.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status != 204 and (not kind or "json" in kind):
        return None
    came = f"something of type {masked(kind)[:80]}" if kind else "nothing"
    return _stranger(status, headers, target, f"{came} came with status {status}, and no JSON.")


def no_write(status: int, headers: Mapping[str, str], body: bytes, target: str) -> NotTheService | None:
    """The error for a good answer to a write that the service cannot have given; None for one it can.

    A write is answered 201 or 204, or 200 with OData's JSON. Anything else comes from what stands before the service.
    """
    if status in {201, 204}:
        return not_the_service(status, headers, body, target)
    try:
        said = plain_json(body)
    except ValueError:
        said = None
    if isinstance(said, dict) and "@odata.context" in said and "error" not in said:
        return None
    return _stranger(status, headers, target, f"an answer came with status {status} that is none to a write.")


def _elsewhere(headers: Mapping[str, str]) -> str:
    """Where a redirect leads, without its query, which may hold what nobody else should see."""
    host, path = sent_to(headers)
    if host.startswith(SIGN_IN) or "login" in host:
        return f"to sign in at {host}"
    if host:
        return f"to {host}"
    return f"to the page {path}" if path else "elsewhere, and does not say where to"


def sent_to(headers: Mapping[str, str]) -> tuple[str, str]:
    """Host and path of where a redirect leads, each empty where it names none; without who is named in it.

    >>> sent_to({"location": "https://me:secret@Login.example/common?code=1"})
    ('login.example', '/common')
    """
    try:
        parts = urlsplit(masked(headers.get("location", "")))
    except ValueError:
        return "", "of no readable address"
    return shown(parts.netloc.rpartition("@")[2].lower())[:120], shown(parts.path)[:120]


def _stranger(status: int, headers: Mapping[str, str], target: str, said: str) -> NotTheService:
    asked, hint = request_id(headers), NOT_THE_SERVICE
    return NotTheService(f"{target}: {said}", status=status, target=target, request_id=asked, hint=hint)


def _is_too_long(status: int, text: str, length: int | None) -> bool:
    if status not in {400, 404}:
        return False
    invalid = status == 400 and (length is None or length > LONGEST_STEP) and INVALID_URL.search(text)
    return bool(invalid or TOO_LONG.search(text))


def _kind(status: int, code: str, text: str, *, told: bool) -> type[ServiceError]:
    if status == 429:
        return Throttled
    if status in OF_A_PROXY:
        return NotTheService
    if status in {401, 403}:
        return NotAuthorised
    if told and (kind := _said_of_a_row(status, code, text)) is not None:
        return kind
    if status == 404:
        return NoRoute
    if status in TRANSIENT:
        return Unreachable
    return Rejected if status in {400, 405, 409, 413, 422, 500} else ServiceError


def _said_of_a_row(status: int, code: str, text: str) -> type[ServiceError] | None:
    """What the service itself says of a row: one with this key is there, it has moved, or it is not there."""
    if code in DUPLICATE or "record already exists" in text or "matching key values already exist" in text:
        return Duplicate
    if code in DRIFTED or "update conflict" in text or status == 412:
        return Drifted
    if code in MISSING or text.startswith("no resources were found when selecting"):
        return NotFound
    return NotFound if status == 404 and not code and GONE.search(text) else None


def _hint(kind: type[ServiceError], status: int, *, own: bool) -> str | None:
    if status in OF_A_PROXY:
        return "A proxy asks who it is: its name and password go into HTTPS_PROXY, before its host and an @."
    if status == 401:
        return "Check the connection's client id, secret and tenant, and that the application user exists there."
    hints: dict[type[ServiceError], str] = {
        NotAuthorised: "Give the application user a security role that allows this.",
        Duplicate: "Read the destination again: the row is there already.",
        Drifted: "Read the row again and plan anew: it changed since it was read.",
        Throttled: "Try again later, or with fewer programs under the same application user.",
        NoRoute: "Check the address: the entity set's name, and a key with characters such as / or +.",
        UrlTooLong: "Ask for fewer columns, or for fewer values at once.",
    }
    return hints.get(kind) or (None if own else remedy(status))


def may_have_begun(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the service may have carried out a request that was answered so, with 300 or more.

    That it refused it, or did not take it up, only the service itself can say: whatever comes in other words comes of
    what stands between, perhaps after the service has carried out the request.
    """
    if status < 300 or is_data_error(body):
        return False
    if status not in NOT_BEGUN and (status == 408 or status >= 500):
        return True
    return not _is_own(status, headers, body)


def was_put_off(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether all goes to show that a request was not taken up, so that even what must not happen twice is sent again.

    So it is where the service says it, and with a 429 that names a wait or is numbered as the service's are: in which
    words F&O says it is not published.
    """
    numbered = bool(request_id(headers)) or headers.get("retry-after") is not None
    return not may_have_begun(status, headers, body) or (status == 429 and numbered)


def leaves_open(error: ServiceError) -> bool:
    """Whether an error leaves open if a write was carried out.

    A service that is busy or broken says nothing about the row, nor does what is not the service; its own 400 to 499
    does, but for these two. What no request can carry was never sent.
    """
    if isinstance(error, (NotSent, Unsendable, UrlTooLong)):
        return False
    return error.can_retry or not error.told or not 400 <= error.status < 500 or error.status in {408, 429}


def _is_own(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the service itself refuses: in its words, in those of its router, or with how to sign in to it."""
    if status in NOT_BEGUN:
        return is_told(body)
    asks_for_token = BEARER.search(headers.get("www-authenticate", "")) is not None  # a proxy asks for other things
    return is_told(body) or _is_router(body) or (status == 401 and asks_for_token)


def _is_router(body: bytes) -> bool:
    try:
        return isinstance(plain_json(body, most=MOST_IN_ERROR)["Message"], str)
    except (ValueError, KeyError, TypeError):
        return False


def is_told(body: bytes) -> bool:
    """Whether the service itself speaks: in its own shape of an error, and with a code as the services have them.

    What stands before a service speaks in the same shape, with a word or a status as its code.

    >>> is_told(b'{"error":{"code":"0x80060882","message":"The version does not match."}}')
    True
    >>> is_told(b'{"error":{"code":"PreconditionFailed","message":"The gateway refuses."}}')
    False
    """
    try:
        error = plain_json(body, most=MOST_IN_ERROR)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    if not isinstance(error, dict):
        return False
    if any(name.startswith(ANNOTATED) for name in error) or _is_dotnet(error.get("innererror")):
        return True
    code = error.get("code")  # both services always send one, be it empty
    return isinstance(code, str) and OWN_CODE.fullmatch(code) is not None


def _is_dotnet(inner: object) -> bool:
    """Whether an inner error is one of F&O's, which names the kind of its exception, whatever code stands beside it."""
    return isinstance(inner, dict) and isinstance(inner.get("type"), str) and DOTNET.match(inner["type"]) is not None


def _parts(body: bytes) -> tuple[str, str, str]:
    """Code, message and inner message of an error body; an excerpt of its text where it is not the usual JSON."""
    try:
        said = plain_json(body, most=MOST_IN_ERROR)
        if isinstance(said.get("Message"), str):
            return "", f"{_cut(said['Message'])} {_cut(said.get('MessageDetail'))}".strip(), ""
        error = said["error"]
        inner = (error.get("innererror") or {}).get("message")
        return _cut(error.get("code")), _cut(error.get("message")), _cut(inner)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", _plain(body[:4000])[:EXCERPT], ""


def _cut(said: object) -> str:
    """What a service says as text, no longer than anybody reads."""
    text = visible(said if isinstance(said, str) else str(said or ""))
    return text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}..."


def _plain(page: bytes) -> str:
    """The words of a page, or of an error in XML, without its tags, remarks and document type.

    What a document type declares is not looked up: it may stand for gigabytes, or for a file of this machine.
    """
    text = page.decode("utf-8-sig", "replace")
    if declared := {name for subset in _TYPE.findall(text) for name in _DECLARED.findall(subset)}:
        text = _REFERENCE.sub(lambda found: "" if found[1] in declared else found[0], text)
    bare = re.sub(r"<[^<>]*>", " ", _TYPE.sub(" ", _REMARK.sub(" ", visible(text))))
    return " ".join(bare.replace("\ufeff", "").split())
