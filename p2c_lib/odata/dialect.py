"""The two systems' ways of speaking OData, as two values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DIALECTS", "FINOPS", "SALES", "Dialect"]


@dataclass(frozen=True)
class Dialect:
    """What differs between Sales and F&O on the wire; everything else is the same code.

    ``batch_limit`` is the most writes the service takes in one ``$batch`` and ``batch_writes`` how many are sent:
    fewer, because long requests run into execution limits. ``longest_url`` is the length of an address, encoded, that a
    read by values keeps to: Dataverse takes 32 KB; F&O publishes no limit, and the web server's own default for a line
    of a request is 16 KB, of which half is left to what proxies add. ``may_cut_texts`` tells that a text too long for
    its column may be cut without a word.
    """

    app: str
    root: str
    batch_limit: int
    batch_writes: int
    cross_company: bool
    empty_is_null: bool
    exact_count: bool
    may_skip: bool
    creates_name_their_id: bool
    days_at_noon: bool
    may_cut_texts: bool
    longest_url: int
    headers: Mapping[str, str]

    def set_url(self, entity_set: str) -> str:
        """The path of an entity set, without the host."""
        return f"{self.root}{entity_set}"

    def options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Query options with what the service must always be told."""
        return ({"cross-company": "true"} if self.cross_company else {}) | dict(options)

    def options_url(self, url: str) -> str:
        """The URL with nothing but what the service must always be told."""
        return f"{url}?cross-company=true" if self.cross_company else url


SALES = Dialect(
    app="sales",
    root="/api/data/v9.2/",
    batch_limit=1_000,
    batch_writes=200,
    cross_company=False,
    empty_is_null=False,
    exact_count=False,
    may_skip=False,
    creates_name_their_id=True,
    days_at_noon=False,
    may_cut_texts=False,
    longest_url=31_000,
    headers={"If-None-Match": "null"},
)
FINOPS = Dialect(
    app="finops",
    root="/data/",
    batch_limit=5_000,
    batch_writes=500,
    cross_company=True,
    empty_is_null=True,
    exact_count=True,
    may_skip=True,
    creates_name_their_id=False,
    days_at_noon=True,
    may_cut_texts=True,
    longest_url=8_000,
    headers={},
)
DIALECTS: Mapping[str, Dialect] = {"sales": SALES, "finops": FINOPS}
