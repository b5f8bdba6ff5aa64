"""What real environments do differently, or what no public source settles: one switch each, with a default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Switches"]


@dataclass(frozen=True)
class Switches:
    """How this F&O answers where real ones vary.

    - ``default_company``: the company of the calling user.
    - ``string_overflow``: text longer than the column (lengths are approximate; in keys it is always refused).
    - ``country_codes``: what the columns ``...CountryRegionISOCode`` accept.
    - ``null_values``, ``integer_enums``: on write.
    - ``string_functions``: whether ``contains`` and the like work in ``$filter``.
    - ``text_ranges``: whether ``gt`` and the like compare texts in ``$filter``.
    - ``next_link``: how the next page is named.
    - ``write_error_status``, ``batch_write_error_status``: the HTTP status of a refused row.
    - ``etag_mismatch``: the HTTP status 412, or the text of an update conflict.
    - ``most_concurrent``: beyond so many requests under way the environment is busy: 429, wait ``busy_seconds``
      (0: never).
    - ``user_limits``: the limits per user that versions before 10.0.36 had.
    - ``package_polls``: how often the status of an import or export is told as pending before it is done.
    - ``page_size``: the most rows of a page.
    - ``link_host``: how the service spells its own host in links.
    - ``longest_url``: the most characters of an address outside ``$batch``; beyond it the web server refuses.
    - ``batch_key_encoding``: how often text in the keys of addresses inside ``$batch`` is percent-decoded; outside it
      is twice.

    >>> Switches(country_codes="iso2").country_codes
    'iso2'
    """

    default_company: str = "usmf"
    string_overflow: Literal["accept", "truncate", "reject"] = "accept"
    country_codes: Literal["both", "iso2", "iso3"] = "both"
    null_values: Literal["empty", "reject"] = "empty"
    integer_enums: Literal["accept", "reject"] = "reject"
    string_functions: Literal["accept", "reject"] = "reject"
    text_ranges: Literal["accept", "reject"] = "accept"
    next_link: Literal["skip", "skiptoken"] = "skip"
    write_error_status: Literal[400, 500] = 400
    batch_write_error_status: Literal[400, 500] = 400
    etag_mismatch: Literal["412", "conflict"] = "412"
    most_concurrent: int = 0
    busy_seconds: int = 5
    user_limits: Literal["off", "on"] = "off"
    package_polls: Literal[0, 1, 2] = 1
    page_size: int = 10_000
    link_host: Literal["as asked", "upper", "port"] = "as asked"
    longest_url: int = 16_384
    batch_key_encoding: Literal["twice", "once"] = "twice"
