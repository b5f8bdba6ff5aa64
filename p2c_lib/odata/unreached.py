"""Why no answer came, in words that name the place, the reason and what to do: names, ports, certificates, proxies."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from p2c_lib.config import LOOPBACK
from p2c_lib.errors import NotTheService, ServiceError, Unreachable, Untrusted
from p2c_lib.secrecy import masked

__all__ = ["Why", "is_final", "unreached", "why"]

LOOK_SECONDS = 5.0
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")
OTHER_TLS = (
    "PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE",
    "HANDSHAKE_FAILURE",
    "NO_SHARED_CIPHER",
)
TLS_MAY_FAIL = (httpx.ConnectError, httpx.ReadError, httpx.ProxyError)
CUT = (ssl.SSLEOFError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
UP = "Is the service up, and url in p2c.toml right?"
SANDBOX_UP = f"{UP} For the sandbox: p2c sandbox status, then p2c sandbox serve."
WAY = "Is url in p2c.toml right, and does this machine need a VPN or a proxy (HTTPS_PROXY) to get there?"
THROUGH = (
    "Is the proxy up that HTTPS_PROXY or ALL_PROXY names, and does it let this machine through to the service? If no "
    "proxy is needed to get there, name the service's host in NO_PROXY."
)


@dataclass(frozen=True)
class Why:
    """A reason for no answer: what was found, in words that go on from the address, and what to do about it.

    ``step`` is ``address``, ``tls`` or ``proxy``. ``final``: the next try ends the same.
    """

    step: str
    found: str
    remedy: str
    final: bool = False


def unreached(error: Exception, url: str, target: str = "") -> ServiceError:
    """The error for an address that gave no answer.

    Untrusted for a certificate that is not trusted or a port that speaks no TLS, NotTheService for a proxy that lets
    nobody through, Unreachable for the rest.
    """
    reason = why(error, url)
    kind: type[ServiceError] = {"tls": Untrusted, "proxy": NotTheService}.get(reason.step, Unreachable)
    status = 407 if reason.step == "proxy" and "407" in reason.found else 0
    at = _shown(url)
    return kind(f"No answer from {at}: {reason.found}.", status=status, target=target or at, hint=reason.remedy)


def is_final(error: Exception) -> bool:
    """Whether the next try ends the same: a certificate does not become a trusted one while one waits."""
    return _tls_trouble(error) is not None or _is_refused_by_proxy(error) or _is_no_http(error)


def why(error: Exception, url: str) -> Why:
    """Why nothing came from an address."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    if (trouble := _tls_trouble(error)) is not None:
        return _about_tls(trouble, url, host)
    if _is_of_a_proxy(error):
        return _about_proxy(error, proxy_of(url))
    proxy = proxy_of(url)
    if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
        remedy = f"Write the name right, or look whether this machine can look names up. {WAY}"
        name = f"{urlsplit(url).hostname}" if proxy is None else f"of the proxy {proxy}"
        return Why("address", f"no address is known for the name {name} ({_said(error)})", remedy)
    if proxy is not None:
        return _over_proxy(error, host, proxy)
    if _is_no_http(error):
        remedy = f"Is the port right, and is it {urlsplit(url).scheme} that is spoken there? {WAY}"
        return Why("address", f"what listens at {host} does not speak HTTP ({_said(error)})", remedy, final=True)
    if isinstance(error, httpx.ConnectTimeout):
        return Why("address", f"nobody answers at {host} in time", WAY)
    if isinstance(error, httpx.TimeoutException):
        said = f" ({masked(str(error))})" if str(error) not in {"", "timed out"} else ""
        return Why("address", f"{host} took the request, and its answer did not come in time{said}"[:300], UP)
    remedy = SANDBOX_UP if urlsplit(url).hostname in LOOPBACK else WAY
    if isinstance(error, httpx.ConnectError) and any(isinstance(cause, CUT) for cause in _causes(error)):
        return Why("address", f"the connection to {host} broke off while it was made ({_said(error)})", WAY)
    if isinstance(error, httpx.ConnectError):
        return Why("address", f"nobody answers at {host} ({_said(error)})", remedy)
    return Why("address", f"the connection to {host} broke off ({type(error).__name__}: {_said(error)})", remedy)


def proxy_of(url: str) -> str | None:
    """Host and port of the proxy that a request to an address goes over, as the environment says; None for no proxy.

    Nothing goes over a proxy to this machine itself.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.hostname in LOOPBACK or proxy_bypass(parts.hostname):
        return None
    found = getproxies()
    named = found.get(parts.scheme) or found.get("all")
    if not named:
        return None
    return urlsplit(named if "://" in named else f"http://{named}").netloc.rpartition("@")[2] or None


def _over_proxy(error: Exception, host: str, proxy: str) -> Why:
    """Where a proxy stands between, either of the two may be the one that is silent."""
    said = masked(str(error)) if isinstance(error, httpx.TimeoutException) else _said(error)
    told = f" ({said})"[:200] if said not in {"", "timed out"} else ""
    way = f"{host} over the proxy {proxy}{told}"
    if isinstance(error, httpx.TimeoutException):
        return Why("address", f"nothing came in time from {way}", THROUGH)
    if _is_no_http(error):
        return Why("address", f"no HTTP came from {way}", THROUGH, final=True)
    if isinstance(error, httpx.ConnectError) and not any(isinstance(cause, CUT) for cause in _causes(error)):
        return Why("address", f"nobody answers at {way}", THROUGH)
    return Why("address", f"the connection broke off to {way}", THROUGH)


def _about_tls(trouble: ssl.SSLError, url: str, host: str) -> Why:
    if isinstance(trouble, ssl.SSLCertVerificationError):
        said = trouble.verify_message or trouble.reason or "not verified"
        issuer = _issuer(url)
        by = f", issued by {issuer}," if issuer else ""
        remedy = f"{_about_certificate(said)} Verification is never switched off."
        return Why("tls", f"the certificate of {host}{by} is not trusted ({said})", remedy, final=True)
    reason = (trouble.reason or str(trouble)).upper()
    if any(word in reason for word in NO_TLS):
        remedy = "Is the port right? Sales and F&O speak https on 443; a proxy's own address is no service's."
        return Why("tls", f"what listens at {host} does not speak TLS ({trouble.reason})", remedy, final=True)
    if any(word in reason for word in OTHER_TLS):
        remedy = (
            "TLS 1.2 or 1.3 is needed: something old stands between here and the service, or url is not its address."
        )
        return Why(
            "tls", f"{host} has no version of TLS in common with this machine ({trouble.reason})", remedy, final=True
        )
    return Why("tls", f"TLS with {host} failed ({trouble.reason or _one_line(trouble)})", WAY)


def _about_certificate(said: str) -> str:
    """What to do about a certificate of which OpenSSL says so."""
    if "ostname mismatch" in said or "IP address mismatch" in said:
        return "Is url in p2c.toml the name that the certificate is for?"
    if "has expired" in said or "not yet valid" in said:
        return "Whoever runs that address has to renew it; or is the clock of this machine wrong?"
    return "A proxy of your company may stand between: set SSL_CERT_FILE to a file with its root certificate."


def _is_of_a_proxy(error: Exception) -> bool:
    """Whether a proxy is at fault, as httpx says it or the library that speaks to Microsoft Entra."""
    return type(error).__name__ == "ProxyError"


def _about_proxy(error: Exception, proxy: str | None) -> Why:
    said = _one_line(error) if isinstance(error, httpx.ProxyError) else _said(error)
    said = said if proxy is None else f"{said}; it is {proxy}"
    if re.search(r"\b407\b", said):
        remedy = "Name and password of the proxy go into HTTPS_PROXY, before its host and an @, percent-encoded."
        return Why("proxy", f"the proxy asks who it is ({said})", remedy, final=True)
    remedy = "Look at HTTPS_PROXY, and whether the proxy lets this machine through to the service."
    return Why(
        "proxy", f"the proxy did not let the request through ({said})", remedy, final=_is_refused_by_proxy(error)
    )


def _is_refused_by_proxy(error: Exception) -> bool:
    return isinstance(error, httpx.ProxyError) and re.match(r"4(?!08|25|29)\d\d\b", str(error)) is not None


def _is_no_http(error: Exception) -> bool:
    """Whether what came is no HTTP at all."""
    return isinstance(error, httpx.RemoteProtocolError) and str(error).startswith("illegal status line")


def _tls_trouble(error: BaseException) -> ssl.SSLError | None:
    """The TLS error behind an error while connecting; one in the middle of an answer is any broken connection."""
    if isinstance(error, httpx.HTTPError) and not isinstance(error, TLS_MAY_FAIL):
        return None
    found = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if found is None or isinstance(found, ssl.SSLEOFError):
        return None
    late = isinstance(error, httpx.ReadError) and not any(w in (found.reason or "").upper() for w in OTHER_TLS)
    return None if late else found


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _said(error: Exception) -> str:
    """The innermost reason in one line; errors of the system have it as their text."""
    told = [str(getattr(cause, "strerror", None) or cause) for cause in _causes(error)]
    return next((_one_line(line) for line in reversed(told) if line), type(error).__name__)


def _one_line(said: object) -> str:
    lines = [line for line in masked(str(said)).splitlines() if line.strip()]
    return "".join(c if c.isprintable() else "\ufffd" for c in lines[0][:160]) if lines else type(said).__name__


def _shown(url: str) -> str:
    """An address as far as its path, without who is named in it."""
    parts = urlsplit(masked(url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


def _issuer(url: str) -> str:
    """Who issued the certificate that is shown at an address; empty where that cannot be told.

    The certificate is looked at and not relied on: nothing is sent over that connection.
    """
    parts = urlsplit(url)
    try:
        shown = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=LOOK_SECONDS)
        from cryptography import x509

        return _one_line(x509.load_pem_x509_certificate(shown.encode()).issuer.rfc4514_string())
    except (OSError, ValueError, TypeError):
        return ""
