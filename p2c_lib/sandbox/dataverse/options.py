"""The query options of one request, read and checked as far as that needs no schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.expression import Literal, Malformed, Node, Path, Term, parse_filter, parse_order

_TOP = {"$select", "$expand", "$filter", "$orderby", "$top", "$count", "$apply", "$skiptoken", "$deltatoken"}
_NESTED = {"$select", "$expand", "$filter", "$orderby", "$top"}
MOST_EXPANDS = 15
ONLY_SELECT_AND_FILTER = (
    "Only $select and $filter clause can be provided while doing $expand on many-to-one relationship or nested "
    "one-to-many relationship."
)
_DEEPEST = 200  # parentheses open at once: deeper than any expression may be with the expands around it


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a collection or a row; ``select`` empty is every column."""

    select: tuple[str, ...] = ()
    filter: Node | None = None
    order: tuple[Term, ...] = ()
    top: int | None = None
    expand: tuple[Expand, ...] = ()
    count: bool = False
    apply: str | None = None
    skiptoken: str | None = None
    deltatoken: str | None = None
    parameters: Mapping[str, Node] = field(default_factory=dict)

    @property
    def nested(self) -> bool:
        """Whether what is expanded is expanded further."""
        return any(one.options.expand for one in self.expand)


@dataclass(frozen=True, slots=True)
class Expand:
    """One expanded navigation property; ``ref`` asks for references only.

    ``text`` is its options as the query of an address, with the parameter aliases they may name.
    """

    name: str
    options: Options
    text: str = ""
    ref: bool = False


def read_options(raw: Mapping[str, str]) -> Options:
    """The options of a URL; `Refusal` names the one that is wrong."""
    parameters = {name: _parameter(name, text) for name, text in raw.items() if name.startswith("@")}
    options = _read(raw, _TOP, parameters)
    if sum(1 for _ in _walk(options.expand)) > MOST_EXPANDS:
        raise bad_query(f"The query has more than {MOST_EXPANDS} $expand options, which is the maximum.")
    if options.nested and any(one.options.top is not None or one.options.order for one in _walk(options.expand)):
        raise bad_query(ONLY_SELECT_AND_FILTER)
    aliases = [f"{name}={text}" for name, text in raw.items() if name.startswith("@")]
    return replace(options, expand=tuple(_addressed(one, aliases) for one in options.expand))


def _addressed(one: Expand, aliases: Sequence[str]) -> Expand:
    parts = [*(split_outside(one.text, ";") if one.text.strip() else []), *aliases]
    text = "&".join(quote(part.strip(), safe="$@(),;:=/'*!") for part in parts if part.strip())
    inner = replace(one.options, expand=tuple(_addressed(each, aliases) for each in one.options.expand))
    return replace(one, options=inner, text=text)


def _walk(expands: tuple[Expand, ...]) -> Iterator[Expand]:
    for one in expands:
        yield one
        yield from _walk(one.options.expand)


def _parameter(name: str, text: str) -> Node:
    try:
        return parse_filter(text)
    except Malformed as error:
        raise bad_query(f"The parameter alias '{name}' cannot be read: {error}") from error


def _read(raw: Mapping[str, str], known: set[str], parameters: Mapping[str, Node]) -> Options:
    for name in raw:
        if name.startswith("$") and name not in known:
            raise bad_query(f"The query parameter {name} is not supported.")
    return Options(
        select=_select(raw.get("$select")),
        filter=_parsed("$filter", raw.get("$filter"), parameters),
        order=_order(raw.get("$orderby"), parameters),
        top=_whole("$top", raw.get("$top")),
        expand=_expand(raw.get("$expand"), parameters),
        count=_true_or_false(raw.get("$count")),
        apply=raw.get("$apply"),
        skiptoken=raw.get("$skiptoken"),
        deltatoken=raw.get("$deltatoken"),
        parameters=parameters,
    )


def _select(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    # One comma at the end is taken, as the service's own examples have it.
    names = tuple(dict.fromkeys(part.strip() for part in text.removesuffix(",").split(",")))
    if "" in names:
        raise bad_query("$select has an empty name.")
    return () if "*" in names else names


def _columns(parameters: Mapping[str, Node]) -> dict[str, Path]:
    """The parameter aliases that stand for a column."""
    named = {name: value for name, value in parameters.items() if isinstance(value, Path)}
    return {name: value for name, value in named.items() if not value.names[0].startswith("@")}


def _parsed(name: str, text: str | None, parameters: Mapping[str, Node]) -> Node | None:
    if text is None:
        return None
    try:
        return parse_filter(text, _columns(parameters))
    except Malformed as error:
        raise bad_query(f"{name} cannot be read: {error}") from error


def _order(text: str | None, parameters: Mapping[str, Node]) -> tuple[Term, ...]:
    """The terms; an alias without a value is null, which sorts nothing."""
    if text is None:
        return ()
    try:
        terms = parse_order(text, _columns(parameters))
        return tuple(term for term in terms if not _nothing(term.path.names[0], parameters))
    except Malformed as error:
        raise bad_query(f"$orderby cannot be read: {error}") from error


def _nothing(name: str, parameters: Mapping[str, Node]) -> bool:
    return name.startswith("@") and parameters.get(name, Literal("null", None)) == Literal("null", None)


def _whole(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise bad_query(
            f"Invalid value '{text}' for {name} query option found. A non-negative whole number is required."
        )
    return int(text)


def _true_or_false(text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise bad_query(f"Invalid value '{text}' for $count query option found. Valid values are 'true' and 'false'.")
    return text == "true"


def _expand(text: str | None, parameters: Mapping[str, Node]) -> tuple[Expand, ...]:
    if text is None:
        return ()
    found: dict[str, Expand] = {}
    for part in split_outside(text, ","):
        one = _one_expand(part.strip(), parameters)
        if found.setdefault(one.name, one) != one:
            raise bad_query(f"The navigation property '{one.name}' is expanded more than once, in different ways.")
    return tuple(found.values())


def _one_expand(text: str, parameters: Mapping[str, Node]) -> Expand:
    name, opened, rest = text.partition("(")
    name = name.strip()
    ref = name.endswith("/$ref")
    name = name.removesuffix("/$ref")
    if not name or (opened and not rest.endswith(")")):
        raise bad_query(f"$expand cannot be read: '{text}'.")
    raw: dict[str, str] = {}
    for part in split_outside(rest[:-1], ";") if rest.strip() not in {"", ")"} else []:
        option, equals, value = part.strip().partition("=")
        if not equals or option in raw:
            raise bad_query(f"$expand cannot be read: '{part}' in '{text}'.")
        raw[option] = value
    return Expand(name, _read(raw, _NESTED, parameters), rest[:-1], ref)


def split_outside(text: str, mark: str) -> list[str]:
    """The text cut at the mark, where it is neither inside a string nor inside parentheses."""
    parts, depth, start, in_string = [], 0, 0, False
    for at, character in enumerate(text):
        if character == "'":
            in_string = not in_string
        elif in_string:
            continue
        elif character in "([":
            depth += 1
            if depth > _DEEPEST:
                raise bad_query("The expression is nested too deeply.")
        elif character in ")]":
            depth -= 1
            if depth < 0:
                raise bad_query(f"')' at position {at} in '{text}' closes nothing.")
        elif character == mark and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if depth or in_string:
        raise bad_query(f"'{text}' ends inside {'a string' if in_string else 'parentheses'}.")
    return [*parts, text[start:]]
