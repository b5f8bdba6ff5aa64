"""Where a service is: the one spelling of its address, by which addresses are compared.

Host names have no case, 443 is what https means and 80 what http means, and a dot at the end of a name says nothing.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["host_of", "moved", "same_service", "spelled"]

DEFAULT_PORTS = {"https": 443, "http": 80}
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_MORE_THAN_A_HOST = frozenset("@\\ ")
_API_HOST = re.compile(r"^([^.]+)\.api\.(crm\d*\.)")  # org.api.crm4.dynamics.com is org.crm4.dynamics.com


def spelled(url: str) -> str:
    """The address in its one spelling; path and query stay to the letter. Raises ValueError for what is no address.

    >>> spelled("HTTPS://Contoso.CRM4.dynamics.com.:443/Api")
    'https://contoso.crm4.dynamics.com/Api'
    """
    scheme, host, rest = _parts(url)
    return f"{scheme}://{host}{rest}"


def host_of(url: str) -> str:
    """Host and, where it is not the scheme's own, port of an address. Raises ValueError for what is no address.

    >>> host_of("https://Contoso.operations.dynamics.com:443/data")
    'contoso.operations.dynamics.com'
    """
    return _parts(url)[1]


def same_service(one: str, other: str) -> bool:
    """Whether two addresses lead to one service: scheme, host and port agree; ``org.api.crm`` is ``org.crm``.

    An address with a user name in it, or one that is none, is nobody's.

    >>> same_service("https://contoso.api.crm4.dynamics.com/api/x", "https://CONTOSO.crm4.dynamics.com:443")
    True
    """
    try:
        return _service(one) == _service(other)
    except ValueError:
        return False


def moved(link: str, base: str) -> str:
    """The link with scheme, host and port of ``base``; what stands behind them stays to the letter.

    >>> moved("https://CONTOSO.api.crm4.dynamics.com/api?$skiptoken=A%2fb", "https://contoso.crm4.dynamics.com")
    'https://contoso.crm4.dynamics.com/api?$skiptoken=A%2fb'
    """
    scheme, host, _ = _parts(base)
    return f"{scheme}://{host}{_parts(link)[2]}"


def _service(url: str) -> tuple[str, str]:
    scheme, host, _ = _parts(url)
    return scheme, _API_HOST.sub(r"\1.\2", host)


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host with a port that is not the scheme's own, and all that stands behind it."""
    found = _PARTS.fullmatch(url)
    if found is None or not found[2]:
        raise ValueError("there is no host in the address")
    scheme, authority = found[1].lower(), found[2]
    if not authority.isprintable() or not _MORE_THAN_A_HOST.isdisjoint(authority):
        raise ValueError("there is more than a host and a port in the address")
    parts = urlsplit(f"{scheme}://{authority}")
    host = (parts.hostname or "").removesuffix(".")
    if not host:
        raise ValueError("there is no host in the address")
    name = f"[{host}]" if ":" in host else _in_ascii(host)
    own = parts.port is None or parts.port == DEFAULT_PORTS.get(scheme)
    return scheme, name if own else f"{name}:{parts.port}", found[3]


def _in_ascii(host: str) -> str:
    """A host in letters of other scripts as it travels, by the rule of the library that opens the connection."""
    if host.isascii():
        return host
    import httpx

    try:
        return httpx.URL(f"https://{host}/").raw_host.decode("ascii").removesuffix(".")
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
