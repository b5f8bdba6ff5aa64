"""Texts that make a regular expression go wrong, made from the expression's own tree."""

from __future__ import annotations

import ast
import importlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import p2c_lib

TAILS = ("", "\x01", " ", "a", "!", "'", '"', ")", "}", "\n", "0")
LETTERS = [chr(code) for code in range(32, 127)] + ["\n", "\r", "\t", "\x01", "é", " ", "\ud800", "\xad"]
SHORT, LONG = 34, 30_000


def attacks(pattern: re.Pattern[Any], times: int) -> Iterator[Any]:
    """Texts in which one repeated part of the pattern stands ``times`` times, and what follows does not fit."""
    text = isinstance(pattern.pattern, str)
    tree = parser.parse(pattern.pattern, pattern.flags)
    begun = [before for before, _ in _repeats(tree, "") if before]
    for before, pumps in [("", [*begun, *_samples(tree)[:3]]), *_repeats(tree, "")]:
        for pump in pumps if times == SHORT else pumps[:4]:
            for tail in TAILS if times == SHORT else TAILS[:4]:
                for start in dict.fromkeys((before, "")):
                    made = start + pump * (times // max(1, len(pump)) if times > SHORT else times) + tail
                    yield made if text else made.encode("utf-8", "surrogatepass")


def _repeats(items: Any, before: str) -> Iterator[tuple[str, list[str]]]:
    for kind, value in items:
        if kind in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
            least, most, inner = value
            if most > 20:
                yield before, _samples(inner)
            yield from _repeats(inner, before)
            before += "".join(_samples(inner)[:1]) * least
            continue
        for child in _children(kind, value):
            yield from _repeats(child, before)
        before += (_samples([(kind, value)]) or [""])[0]


def _children(kind: Any, value: Any) -> list[Any]:
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.BRANCH:
        return list(value[1])
    if kind is op.ATOMIC_GROUP:
        return [value]
    return [value[1]] if kind in {op.ASSERT, op.ASSERT_NOT} else []


def _samples(items: Any) -> list[str]:
    """Up to a few texts that the items match."""
    made = [""]
    for kind, value in items:
        choices = _one(kind, value)
        made = [start + choice for start in made for choice in choices][:24]
    return list(dict.fromkeys(made))


def _one(kind: Any, value: Any) -> list[str]:
    if kind is op.LITERAL:
        return [chr(value)]
    if kind in {op.IN, op.NOT_LITERAL, op.ANY}:
        fits = _letters(kind, repr(value), value)
        return list(dict.fromkeys([*fits[:1], *[x for x in "a0'.; \n\"\\" if x in fits]])) or ["a"]
    if kind in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
        least, most, inner = value
        one = _samples(inner)
        counts = dict.fromkeys((least, min(most, least + 1), min(most, least + 2)))
        return [sample * count for count in counts for sample in one][:12] or [""]
    if kind is op.BRANCH:
        return [sample for branch in value[1] for sample in _samples(branch)[:4]]
    if kind in {op.SUBPATTERN, op.ATOMIC_GROUP}:
        return _samples(value[3] if kind is op.SUBPATTERN else value)
    return [""]


_KNOWN: dict[str, list[str]] = {}


def _letters(kind: Any, written: str, value: Any) -> list[str]:
    """Of a few letters those that one place of a pattern takes."""
    if (known := _KNOWN.get(f"{kind}{written}")) is None:
        state = parser.State()
        state.str = ""
        one = re._compiler.compile(parser.SubPattern(state, [(kind, value)]))  # type: ignore[attr-defined]
        known = _KNOWN[f"{kind}{written}"] = [letter for letter in LETTERS if one.fullmatch(letter)]
    return known


# -- the patterns of the package ---------------------------------------------------------------------------------------

METHODS = "fullmatch|match|search|finditer|findall|split|subn?"
GUARD = 0.25  # seconds of CPU for one text: what is linear takes some milliseconds

Found = tuple[str, "re.Pattern[Any]", frozenset[str]]


def patterns() -> tuple[list[Found], set[str]]:
    """Each pattern that the package compiles, with its place and how it is applied; and those made of what comes."""
    sources = {path: path.read_text("utf-8") for path in sorted(Path(p2c_lib.__path__[0]).rglob("*.py"))}
    found, made = list[Found](), set[str]()
    for path, source in sources.items():
        name = ".".join(("p2c_lib", *path.relative_to(p2c_lib.__path__[0]).with_suffix("").parts))
        for call, target in _calls(ast.parse(source)):
            try:
                arguments = [eval(ast.unparse(each), vars(importlib.import_module(name))) for each in _given(call)]
            except NameError:
                made.add(f"{name}: {ast.unparse(call.args[0])}")
                continue
            flags = next((each for each in arguments[1:] if isinstance(each, re.RegexFlag)), 0)
            kind = call.func.attr  # type: ignore[attr-defined]
            used = frozenset({kind}) if kind != "compile" else _applied(target, source, sources.values())
            found.append((f"{name}:{call.lineno}", re.compile(arguments[0], flags), used))
    return found, made


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Each call of ``re``, with the name its value is assigned to."""
    names = {
        id(inner): statement.targets[0].id
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        for inner in ast.walk(statement.value)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attr)) if attr != "escape":
                yield node, names.get(id(node), "")


def _given(call: ast.Call) -> list[ast.expr]:
    """The pattern and the flags of a call."""
    flags = [each for each in (*call.args[1:], *(k.value for k in call.keywords)) if "re." in ast.unparse(each)]
    return [call.args[0], *(each for each in flags if not isinstance(each, ast.Call))]


def _applied(target: str, source: str, sources: Any) -> frozenset[str]:
    read = [source] if target.startswith("_") else sources  # a private name is another pattern in another module
    own = re.findall(rf"\b{target}\.({METHODS})\b", "\n".join(read)) if target else []
    return frozenset(own or re.findall(rf"\.({METHODS})\(", source)) - {"split"} or frozenset({"search"})


def _apply(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    if method in {"sub", "subn", "findall", "finditer", "split"}:
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, method)(text)


def slow() -> list[str]:
    """The patterns that take more than the guard on a text; each is interrupted by a signal and told."""
    before = signal.signal(signal.SIGVTALRM, _ended)
    try:
        return [
            told
            for place, pattern, methods in patterns()[0]
            for method in sorted(methods)
            for times in (SHORT, LONG)
            if (told := _try(place, pattern, method, times))
        ]
    finally:
        signal.signal(signal.SIGVTALRM, before)


def _try(place: str, pattern: re.Pattern[Any], method: str, times: int) -> str:
    text = ""
    try:
        for text in attacks(pattern, times):
            signal.setitimer(signal.ITIMER_VIRTUAL, GUARD)
            _apply(pattern, method, text)
    except TimeoutError:
        return f"{place} {method} {pattern.pattern!r:.90} on {len(text)} of {text[:40]!r}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return ""


def _ended(*_: object) -> None:
    raise TimeoutError
