"""Requests made at random from the grammar of both systems, and damaged ones: a seed and a number make one again.

Nothing here knows what the sandbox does with them; it only knows the words that clients use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.any_expression import Expressions
from tests.any_words import (
    ATTRIBUTES,
    CALLED,
    CRM,
    DEFINED,
    FORM,
    GUIDS,
    HEADER_VALUES,
    HEADERS,
    LITERALS,
    METHODS,
    OPERATIONS,
    OPTION_NAMES,
    PACKAGE_ACTIONS,
    PACKAGED,
    SALES_ROWS,
    SENT,
    SQL_WORDS,
    TAGS,
    XML_WORDS,
)

SAFE = "/$()',=;@%.:~!*-"
_SIGNED = ("client_credentials", "password", "refresh_token", "a", "http://x/.default", "http://x")


@dataclass(frozen=True, slots=True)
class Asking:
    """One request as it goes over the wire: ``target`` is path and query, already encoded."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Words(Expressions):
    """Draws whole requests to one system; the same seed draws the same."""

    # -- query options -------------------------------------------------------------------------------------------------

    def expand(self, depth: int) -> str:
        """``$expand`` with nested options."""
        parts = []
        for _ in range(self.random.choice((1, 1, 2, 3))):
            part = self.way() if self.fitting else self.of((*self.navigations, "*", "$ref", "$count"))
            part += self.of(("", "", "", "", "", "/$ref", "/$count", "/Microsoft.Dynamics.CRM.contact"))
            if self.chance(0.6):
                options = [f"{self.option(depth - 1)}" for _ in range(self.random.randint(0, 2))]
                part += f"({self.of((';', ';', '&', ','))[0].join(options)})"
            parts.append(part)
        if self.chance(0.1):
            count = self.random.choice((2, 10, 16, 200, 900))
            way = (self.place.one or self.navigations)[-1]
            return f"{way}($expand=" * count + way + ")" * count
        return ",".join(parts)

    def apply(self) -> str:
        """``$apply``."""
        column, other = self.column(), self.name()
        count = self.random.choice((1, 2, 20, 130, 400))
        return self.of(
            (
                f"groupby(({column}))",
                f"groupby(({column},{other}),aggregate($count as n))",
                f"aggregate({column} with {self.of(('sum', 'average', 'min', 'max', 'countdistinct', 'x'))} as n)",
                f"filter({self.joined(2)})/groupby(({column}),aggregate({other} with max as total))",
                "aggregate(" + ",".join(f"{column} with sum as n{i}" for i in range(count)) + ")",
                "groupby((" + ",".join([column] * count) + "))",
                f"filter({self.test()})/" * count + f"groupby(({column}))",
                f"filter({self.deep()})/aggregate($count as n)",
                f"groupby(({column}),groupby(({column})))",
                f"orderby({column})/top(1)",
                "concat(identity,identity)",
                f"groupby(({column})",
            )
        )

    def xml(self, depth: int = 0) -> str:
        """An element of FetchXML with any attributes."""
        tag = self.of(TAGS)
        given = {self.of(ATTRIBUTES): self.of(XML_WORDS) for _ in range(self.random.randint(0, 4))}
        attributes = "".join(f' {name}="{value}"' for name, value in given.items())
        inside = "".join(self.xml(depth + 1) for _ in range(self.random.randint(0, 3))) if depth < 3 else "a"
        return f"<{tag}{attributes}>{inside}</{tag}>"

    def fetch(self) -> str:
        """FetchXML: plausible, of any elements, or deep."""
        count = self.random.choice((1, 5, 14, 60, 61, 400, 1000, 3000))
        test = '<condition attribute="name" operator="like" value="%a%"/>'
        link = '<link-entity name="account" from="accountid" to="accountid">'
        inner = self.one(
            self.xml,
            lambda: self.xml() + self.xml(),
            lambda: "<filter>" * count + test + "</filter>" * count,
            lambda: f'<filter type="or">{test * count}</filter>',
            lambda: link * count + "</link-entity>" * count,
            lambda: '<attribute name="name"/>' * count,
            lambda: '<order attribute="name"/>' * count,
            lambda: (
                f'<filter><condition attribute="{self.column()}" operator="{self.of(XML_WORDS)}" '
                f'value="{self.of(XML_WORDS)}"/></filter>'
            ),
        )
        options = f' {self.of(ATTRIBUTES)}="{self.of(XML_WORDS)}"' if self.chance(0.6) else ""
        whole = f'<fetch{options}><entity name="{self.of(("account", "account", "contact"))}">{inner}</entity></fetch>'
        return self.of(
            (whole, whole, whole, inner, whole[:-5], f"<!DOCTYPE x []>{whole}", f'<?xml version="9"?>{whole}')
        )

    def sql(self) -> str:
        """The ``sql`` parameter."""
        count = self.random.choice((1, 3, 30, 51, 300))
        return self.one(
            lambda: " ".join(self.of(SQL_WORDS) for _ in range(self.random.randint(0, 12))),
            lambda: f"SELECT name FROM account WHERE {' '.join(self.of(SQL_WORDS) for _ in range(5))}",
            lambda: f"SELECT {', '.join(['name'] * count)} FROM account",
            lambda: f"SELECT name FROM account WHERE {'(' * count}name = 'a'{')' * count}",
            lambda: "SELECT name FROM account WHERE " + "(name = 'a' OR " * count + "name = 'b'" + ")" * count,
            lambda: f"SELECT name FROM account WHERE {' OR '.join(['revenue = 1'] * count)}",
            lambda: (
                "SELECT account.name FROM account "
                + " ".join(f"JOIN account a{i} ON a{i}.accountid = account.accountid" for i in range(count))
            ),
            lambda: f"SELECT TOP {'9' * count} name FROM account",
        )

    def option(self, depth: int = 2) -> str:
        """``name=value``, most of them of names and values that belong together."""
        if self.chance(0.04 if self.fitting else 0.2):
            return f"{self.of(OPTION_NAMES)}={self.of((*LITERALS, *HEADER_VALUES))}"
        return self.one(
            lambda: f"$filter={self.condition(self.random.randint(0, 4))}",
            lambda: f"$filter={self.joined(self.random.randint(0, 4))}",
            lambda: f"$filter={self.deep()}",
            self.orderby,
            lambda: f"$select={','.join(self.column() for _ in range(self.random.choice((1, 2, 9))))}",
            lambda: f"$expand={self.expand(depth)}" if depth > 0 else "$top=1",
            lambda: f"$top={self.of(('0', '1', '5', '-1', '9' * 9, '9' * 30, '٣', ' 1', '1.0', ''))}",
            lambda: f"$skip={self.of(('0', '1', '9' * 9, '9' * 18, '9' * 30, '-1', 'x'))}",
            lambda: f"$count={self.of(('true', 'false', 'TRUE', '1', ''))}",
            lambda: f"$apply={self.apply()}",
            lambda: f"$search={self.of(LITERALS)}",
            lambda: f"{self.of(('$skiptoken', '$deltatoken'))}={self.token()}",
            lambda: f"@{self.of(('p1', 'p2', 'x'))}={self.of((*LITERALS, self.condition(1), self.deep()))}",
            lambda: f"fetchXml={self.fetch()}" if self.system == "sales" else f"cross-company={self.of(('true', '1'))}",
            lambda: f"sql={self.sql()}" if self.system == "sales" else "cross-company=true",
        )

    def orderby(self) -> str:
        """``$orderby`` of a few terms or many."""
        return f"$orderby={','.join(self.order() for _ in range(self.random.choice((1, 2, 3, 40, 300))))}"

    def order(self) -> str:
        """A term of ``$orderby``."""
        if self.fitting:
            return f"{self.column()}{self.of(('', ' desc', ' asc'))}"
        return f"{self.of((self.name(), self.value(1)))}{self.of(('', '', ' desc', ' asc', ' DESC', ' up'))}"

    def token(self) -> str:
        """A skip or delta token: whole, altered, or none at all."""
        inner = quote(quote(f'<cookie page="1"><name last="{self.of(XML_WORDS)}" first="1" /></cookie>'))
        return self.of(
            (
                f'<cookie pagenumber="2" pagingcookie="{inner}" istracking="False" />',
                f'<cookie pagenumber="{"9" * 5000}" pagingcookie="{inner}" istracking="{"9" * 30}" />',
                '<cookie pagenumber="2" pagingcookie="%253ccookie%253e" />',
                "MA==", "LTE=", "WzFd", "MWU5OTk=", "bnVsbA==", "5!01/01/2026 00:00:00", "9" * 30, "%", "<cookie", "",
            )
        )  # fmt: skip

    # -- whole requests ------------------------------------------------------------------------------------------------

    def key(self) -> str:
        """A key between parentheses."""
        parts = [f"{self.of(self.columns)}={self.of(LITERALS)}" for _ in range(self.random.randint(1, 3))]
        return self.of(
            (
                f"({self.of(GUIDS)})",
                f"({self.of(LITERALS)})",
                f"({','.join(parts)})",
                "(dataAreaId='usmf',CustomerAccount='US-001')",
                "(accountnumber='A')",
                "(CurrencyCode='USD')",
                "()",
                f"({'(' * 50}",
            )
        )

    def row(self) -> str:
        """A set of Sales and a row that it has."""
        name = self.of(tuple(SALES_ROWS))
        return f"{name}({self.of(SALES_ROWS[name])})"

    def below(self) -> str:
        """What lies below a row: properties, navigations and what lies below those."""
        if self.system == "sales" and self.place.name in SALES_ROWS:
            start = f"{self.place.name}({self.of(SALES_ROWS[self.place.name])})"
        else:
            start = f"{self.place.name}{self.key()}"
        steps = [self.of((self.way(), self.column())) for _ in range(self.random.choice((1, 1, 1, 2)))]
        last = self.of(("", "", "", "/$count", "/$ref", "/$value", "/Microsoft.Dynamics.CRM.account", "/$count/x"))
        return "/".join([start, *steps]) + last

    def path(self) -> str:
        """A path below the service's root."""
        if self.fitting and self.chance(0.2):
            return self.below()
        if self.fitting and self.chance(0.85):
            return self.place.name + self.of(("", "", "", "", "", "", "/$count", self.key()))
        steps = [self.of(self.sets)] if self.chance(0.7) else [self.of(self.words)]
        if self.chance(0.3):
            steps[0] += self.key()
        more = self.random.choice((0, 0, 0, 0, 1, 1, 2))
        steps += [self.of((*self.words, *self.navigations, *self.columns)) for _ in range(more)]
        return "/".join(steps)

    def target(self) -> str:
        """Path and query, encoded as clients do, or less well."""
        path = self.path()
        options = [self.option() for _ in range(self.random.choice((0, 1, 1, 1, 2, 3)))]
        mild = self.chance(0.9)
        encoded = [
            quote(option, safe="=$@,()'/:*!-" if mild else "=$&%+#?", errors="surrogatepass") for option in options
        ]
        root = (
            self.root
            if self.fitting or self.chance(0.9)
            else self.of(("/", "/api/data/", "/metadata/", "/DATA/", "//", "/dmf/", ""))
        )
        whole = quote(f"{root}{path}", safe=SAFE, errors="surrogatepass")
        return f"{whole}?{'&'.join(encoded)}" if options else whole

    def json(self, depth: int = 3) -> Any:
        """Any JSON value."""
        if depth <= 0 or self.chance(0.6):
            return self.random.choice(
                (
                    None, True, False, 0, -1, 2**31, 2**63, 10**40, 1.5, 1e308, float("nan"), float("inf"), "", "a",
                    "a" * 5000, "\x00", "\ud800", "2026-01-31", "2026-02-30", "2026-01-31T00:00:00Z", GUIDS[0],
                    "/accounts(" + GUIDS[0] + ")", "$1", [], {}, " a ", "Yes", "1,2",
                )
            )  # fmt: skip
        if self.chance(0.4):
            return [self.json(depth - 1) for _ in range(self.random.randint(0, 3))]
        return self.object(depth - 1)

    def object(self, depth: int = 2) -> dict[str, Any]:
        """A JSON object of names that the system knows."""
        names = (
            *self.columns, *self.navigations, "@odata.type", "@odata.id", "@odata.context",
            "primarycontactid@odata.bind", "Targets", "QuoteClose", "QuoteId", "Status", "ColumnSet", "QuerySet",
            "Criteria", "packageUrl", "definitionGroupId", "executionId", "legalEntityId", "overwrite", "execute",
            "uniqueFileName", "",
        )  # fmt: skip
        return {self.of(names): self.json(depth) for _ in range(self.random.randint(0, 5))}

    def body(self) -> bytes:
        """A body: JSON, nearly JSON, or anything."""
        deep = self.random.choice((10, 900, 100_000))
        good = json.dumps(self.object()).encode()
        return self.random.choice(
            (
                good, good, good, good, json.dumps(self.json()).encode(), b"", b"[" * deep, b'{"name":' * deep,
                b'{"name":"a","name":"b"}', b'{"name":1' + b"0" * deep + b"}", b'{"revenue":1e99999}', good[:-1],
                b'{"name":NaN}', b"\xef\xbb\xbf" + good, good.decode().encode("utf-16"), b"\xff\xfe\x00", b"name=a&b=c",
                b"<x/>", good + good, b'"\\ud800"', b'{"name":"\\ud800"}', b'{"\\u0000":1}', b"\x1f\x8b\x08\x00",
            )
        )  # fmt: skip

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Some headers."""
        named = {self.of(HEADERS): self.of(HEADER_VALUES) for _ in range(self.random.choice((0, 0, 1, 2)))}
        return tuple(named.items())

    def plain(self) -> Asking:
        """One request that is no batch."""
        method = self.of(("GET",) * 12 + METHODS)
        body = self.body() if method not in {"GET", "HEAD"} or self.chance(0.05) else b""
        return Asking(method, self.target(), self.headers(), body)

    def write(self) -> Asking:
        """A row made, changed or deleted: its columns are those of a set, and most values are of their kind."""
        values: dict[str, Any] = {}
        for name in self.random.sample(list(self.place.columns), self.random.randint(0, 3)):
            values[name] = self.random.choice(SENT[self.place.columns[name]]) if self.chance(0.7) else self.json(1)
        for way in (*self.place.one, *self.place.many):
            if self.chance(0.15):
                values[self.of((way, f"{way}@odata.bind"))] = self.json(2)
        key = self.of(("", "", self.key(), f"({GUIDS[0]})"))
        method = self.of(("POST", "PATCH", "PUT", "DELETE") if key else ("POST", "POST", "POST", "PATCH"))
        return Asking(
            method,
            quote(f"{self.root}{self.place.name}{key}", safe=SAFE, errors="surrogatepass"),
            self.headers(),
            _json(values),
        )

    def action(self) -> Asking:
        """An action with a body that is meant for it, in part."""
        if self.system == "finops":
            named = {self.of(PACKAGED): self.json(1) for _ in range(self.random.randint(0, 5))}
            path = f"DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{self.of(PACKAGE_ACTIONS)}"
            return Asking("POST", f"{self.root}{path}", self.headers(), _json(named))
        kind = f"Microsoft.Dynamics.CRM.{self.of(('account', 'contact', 'quote', 'nothing'))}"
        rows = [{"@odata.type": kind, **self.object(1)} for _ in range(self.random.randint(0, 3))]
        condition = {"AttributeName": self.column(), "Operator": self.of(CRM), "Values": [self.json(1)]}
        criteria = {"Conditions": [condition], "Filters": [self.json(1)] if self.chance(0.3) else []}
        close = {"quoteid@odata.bind": f"/quotes({GUIDS[0]})", **self.object(1)}
        asked: dict[str, Any] = {
            f"accounts/Microsoft.Dynamics.CRM.{self.of(('Create', 'Update', 'Upsert'))}Multiple": {"Targets": rows},
            "BulkDelete": {"QuerySet": [{"EntityName": self.of(XML_WORDS), "Criteria": criteria}], **self.object(1)},
            self.of(("WinQuote", "CloseQuote")): {"QuoteClose": close, "Status": self.json(1)},
            "ReviseQuote": {"QuoteId": self.json(1), "ColumnSet": self.json(2)},
        }
        name = self.of(tuple(asked))
        return Asking("POST", f"{self.root}{name}", self.headers(), _json(asked[name]))

    def operation(self) -> Asking:
        """Any operation at any address, its own or another's, with a body that is odd."""
        if self.system == "finops":
            return self.action()
        name = self.of(OPERATIONS)
        qualified = f"Microsoft.Dynamics.CRM.{name}"
        place = self.of((self.row(), self.row(), self.of(self.sets), self.place.name))
        path = self.of((f"{place}/{qualified}", f"{place}/{qualified}", name, qualified, f"{place}/{qualified}/name"))
        target = quote(f"{self.root}{path}", safe=SAFE) + self.of(
            ("", "", "", "?$top=1", f"?@p1={quote(self.token())}")
        )
        kinds = [f"{form}{self.of(('account', 'product'))}" for form in ("mscrm.", "#Microsoft.Dynamics.CRM.", "#")]
        row = {"@odata.type": self.of(kinds), **self.object(1)}
        fitting = {"Targets": [row], "QuoteClose": row, "QuoteId": GUIDS[0], "QuerySet": [row], "Status": self.json(0)}
        body = self.of_bodies((_json({**fitting, **self.object(1)}), _json(fitting), _json(self.json()), self.body()))
        return Asking(self.of(("POST", "POST", "POST", "GET", "PUT")), target, self.headers(), body)

    def of_bodies(self, bodies: Sequence[bytes]) -> bytes:
        """One of the bodies."""
        return self.random.choice(bodies)

    def aggregate(self) -> Asking:
        """``$apply`` with whatever may stand beside it, on a set and below a row."""
        others = ("$top=1", "$count=true", "$skiptoken=x", "$deltatoken=x", "$orderby=name", "$select=name", "$skip=1")
        options = [
            f"$apply={self.apply()}",
            *(self.of((*others, self.option())) for _ in range(self.random.randint(0, 2))),
        ]
        path = self.of((self.place.name, self.place.name, self.below()))
        query = "&".join(quote(one, safe="=$@,()'/:*!-", errors="surrogatepass") for one in options)
        whole = quote(f"{self.root}{path}", safe=SAFE, errors="surrogatepass")
        return Asking("GET", f"{whole}?{query}", self.headers(), b"")

    def function(self) -> Asking:
        """A function of Dataverse with its arguments by aliases, as JSON of names that belong there, in part."""
        condition = {"PropertyName": self.of(DEFINED), "ConditionOperator": self.json(1), "Value": self.json(2)}
        criteria = {"FilterOperator": self.of(("And", "Or")), "Conditions": [condition], "Filters": self.json(1)}
        wanted = {"AllProperties": self.json(0), "PropertyNames": self.json(1)}
        query = {"Criteria": criteria, "Properties": wanted, "AttributeQuery": self.json(2), "LabelQuery": self.json(2)}
        values = {"p1": self.random.choice((query, query, self.json())), "p2": self.json(1)}
        given = "&".join(f"@{name}={quote(json.dumps(value))}" for name, value in values.items())
        return Asking("GET", f"{self.root}{self.of(CALLED)}?{given}", self.headers(), b"")

    def sign_in(self) -> Asking:
        """A request to the token endpoint, with its parts as forms have them."""
        fields = {self.of(FORM): self.of((*_SIGNED, *LITERALS)) for _ in range(self.random.randint(0, 5))}
        form = "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in fields.items())
        given = self.of(("", "Basic", "Basic YTpi", "Basic !", "Basic w7/Dvw==", "Basic /w==", "Bearer x"))
        headers = (("authorization", given), ("content-type", "application/x-www-form-urlencoded"), *self.headers())
        path = self.of(("/t/oauth2/v2.0/token", "/t/oauth2/token", "/T/OAuth2/v2.0/Token", "/oauth2/token"))
        return Asking(self.of(("POST", "POST", "POST", "GET")), path, headers, form.encode())

    def batch(self) -> Asking:
        """A batch of requests, in part damaged."""
        edge = self.of(("b", "batch_1", 'a"b', "--", "(.*", "x" * 70))
        content, kind = self._parts(edge, self.random.choice((0, 1, 2, 5)), depth=0)
        if self.chance(0.5):
            content = self.damaged(content)
        named = self.of((kind, kind, kind, "multipart/mixed", "application/json", "multipart/mixed; boundary=c", ""))
        headers = (("content-type", named), *(h for h in self.headers() if h[0] != "content-type"))
        return Asking("POST", f"{self.root}$batch", headers, content)

    def _parts(self, edge: str, count: int, depth: int) -> tuple[bytes, str]:
        pieces: list[bytes] = []
        for number in range(count):
            if depth < 2 and self.chance(0.3):
                inner, kind = self._parts(f"{edge}c", self.random.randint(0, 3), depth + 1)
                pieces.append(f"--{edge}\r\nContent-Type: {kind}\r\n\r\n".encode() + inner)
                continue
            one = self.of_any((self.plain, self.plain, self.write, self.action, self.operation))
            lines = "".join(f"{name}: {value}\r\n" for name, value in one.headers)
            number_ = self.of((str(number + 1), "1", "", "$1"))
            head = f"--{edge}\r\nContent-Type: application/http\r\nContent-ID: {number_}\r\n\r\n"
            url = self.of((one.target, one.target.lstrip("/"), f"http://x{one.target}", "$1", "/$1/name", "$batch"))
            pieces.append(f"{head}{one.method} {url} HTTP/1.1\r\n{lines}\r\n".encode() + one.body + b"\r\n")
        return b"".join(pieces) + f"--{edge}--\r\n".encode(), f'multipart/mixed; boundary="{edge}"'

    def damaged(self, content: bytes) -> bytes:
        """The content with a piece cut out, doubled, or replaced."""
        at, to = sorted(self.random.randint(0, len(content)) for _ in range(2))
        piece = content[at:to][: self.random.choice((1, 3, 40, 400))]
        return self.random.choice(
            (
                content[:at], content[at:], content[:at] + content[to:], content.replace(b"\r\n", b"\n"),
                content[:at] + piece * 3 + content[at:], content.replace(b":", b""), content.replace(b" ", b"\t"),
                content[:at] + self.random.randbytes(8) + content[at:], content.replace(b"\r\n\r\n", b"\r\n"),
            )
        )  # fmt: skip

    def asking(self) -> Asking:
        """One request of any kind."""
        makers = (
            (self.plain,) * 12
            + (self.batch,) * 2
            + (self.write,) * 3
            + (self.action,) * 2
            + (self.sign_in, self.function, self.operation, self.operation, self.aggregate)
        )
        return self.of_any(makers)

    def of_any(self, makers: Sequence[Callable[[], Asking]]) -> Asking:
        """The request that one of the makers makes."""
        return self.random.choice(makers)()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def any_request(system: str, seed: str, number: int) -> Asking:
    """The request of a seed and a number; the same every time."""
    return Words(system, f"{system}/{seed}/{number}").asking()
