"""A template file with some of its parts changed, and every other character as the person wrote it.

A file has comments, an order, quotes and blank lines that a template knows nothing of. What two templates differ in is
found in the file by its place, and only those places are written anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any

import yaml

from p2c_lib.errors import TemplateError
from p2c_lib.mapping.document import flow, to_yaml
from p2c_lib.mapping.reading import compose, parse, template_text
from p2c_lib.mapping.template import Template

__all__ = ["Rewritten", "rewritten", "save"]

BOM = "\ufeff"


@dataclass(frozen=True)
class Rewritten:
    """The text of a template file before and after; ``whole`` where no part could be changed by itself."""

    before: str
    after: str
    whole: bool = False

    @property
    def lost(self) -> tuple[str, ...]:
        """What a person has to know, in words."""
        words = "The change could not be made in its place: the file was written anew, its comments are lost."
        return (words,) if self.whole and "#" in self.before else ()

    def diff(self, name: str) -> str:
        """What changed in the file ``name``, as a unified diff; empty where nothing did."""
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(f"{line.rstrip(chr(10))}\n" for line in unified_diff(*lines, name, name, n=1))


def rewritten(text: str, template: Template) -> Rewritten:
    """The text of a template file with what makes it ``template``, all else as it is.

    Where a part cannot be changed by itself (it comes from an anchor, say) the file is written anew, without its
    comments, and ``whole`` says so.
    """
    body = text.removeprefix(BOM)
    old, new = parse(body).to_dict(), template.to_dict()
    if old == new:
        return Rewritten(text, text)
    try:
        made = _spliced(body, old, new)
        if parse(made).to_dict() == new:
            return Rewritten(text, made)
    except (_Elsewhere, TemplateError):
        pass  # told by ``whole``
    return Rewritten(text, to_yaml(template), whole=True)


def save(template: Template, path: Path) -> Rewritten:
    """Write a template to its file; one that is not there begins as the text of the packaged template.

    The file is whole at any time: another is written beside it and takes its place.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    base = before or template_text(template.task)
    change = rewritten(base, template) if base else Rewritten("", to_yaml(template))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(change.after, encoding="utf-8")
    with suppress(OSError):
        shutil.copymode(path, beside)
    beside.replace(path)
    return change


class _Elsewhere(Exception):
    """The part to change has no place of its own in the text."""


@dataclass
class _Edits:
    """What is put where in a text, in the order in which it was found."""

    text: str
    made: list[tuple[int, int, str]] = field(default_factory=list)

    def put(self, start: int, end: int, words: str) -> None:
        self.made.append((start, end, words))

    def line_end(self, place: int) -> int:
        found = self.text.find("\n", place)
        return len(self.text) if found < 0 else found

    def line_start(self, place: int) -> int:
        return self.text.rfind("\n", 0, place) + 1

    def done(self) -> str:
        parts, at = [], 0
        for start, end, words in sorted(self.made, key=lambda edit: edit[0]):
            if start < at:
                raise _Elsewhere
            parts += [self.text[at:start], words]
            at = end
        return "".join([*parts, self.text[at:]])


def _spliced(text: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    edits = _Edits(text)
    _mapping(edits, compose(text), old, new)
    return edits.done()


def _mapping(edits: _Edits, node: yaml.Node | None, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Change a mapping's entries where they differ; what is new goes to its end."""
    if not isinstance(node, yaml.MappingNode):
        raise _Elsewhere
    entries = {str(key.value): (key, value) for key, value in node.value}
    for name in old:
        if name not in new:
            _without(edits, node, entries, name)
        elif old[name] != new[name] and name in entries:
            _value(edits, entries[name][1], old[name], new[name])
    for name in new:
        if name not in entries and old.get(name) != new[name]:
            _append(edits, node, f"{flow(name)}: {flow(new[name])}")
        elif name in entries and name not in old:  # written out though it is the default
            _value(edits, entries[name][1], None, new[name])


def _value(edits: _Edits, node: yaml.Node, old: Any, new: Any) -> None:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and new:
        _mapping(edits, node, old, new)
    elif _are_rules(old) and _are_rules(new) and isinstance(node, yaml.SequenceNode):
        _rules(edits, node, old, new)
    else:
        edits.put(node.start_mark.index, _end(edits, node), flow(new))


def _rules(edits: _Edits, node: yaml.SequenceNode, old: Sequence[Any], new: Sequence[Any]) -> None:
    """Change, take away and add rules, each found by its destination column."""
    before, after = ({rule["to"]: rule for rule in rules} for rules in (old, new))
    kept = [name for name in before if name in after]
    if len(node.value) != len(old) or kept != [name for name in after if name in before]:
        raise _Elsewhere
    for item, name in zip(node.value, before, strict=True):
        if name not in after:
            _without_item(edits, node, item)
        elif before[name] != after[name]:
            _mapping(edits, item, before[name], after[name])
    for name in after:
        if name not in before:
            _append(edits, node, flow(after[name]))


def _are_rules(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(rule, Mapping) and "to" in rule for rule in value)


def _append(edits: _Edits, node: yaml.CollectionNode, words: str) -> None:
    """Put an entry at the end of a mapping, or an item at the end of a list."""
    if node.flow_style:
        edits.put(node.end_mark.index - 1, node.end_mark.index - 1, f", {words}" if node.value else words)
        return
    dash = "- " if isinstance(node, yaml.SequenceNode) else ""
    place = edits.line_end(_end(edits, node))
    edits.put(place, place, f"\n{_margin(edits, node.start_mark.index)}{dash}{words}")


def _without(edits: _Edits, node: yaml.MappingNode, entries: Mapping[str, Any], name: str) -> None:
    """Take an entry out of a mapping."""
    if name not in entries or len(entries) == 1:
        raise _Elsewhere
    key, value = entries[name]
    _cut(edits, key.start_mark.index, _end(edits, value), flowing=node.flow_style)


def _without_item(edits: _Edits, node: yaml.SequenceNode, item: yaml.Node) -> None:
    if len(node.value) == 1:
        raise _Elsewhere
    _cut(edits, item.start_mark.index, _end(edits, item), flowing=node.flow_style)


def _cut(edits: _Edits, start: int, end: int, *, flowing: bool) -> None:
    """Take a piece out: its lines, or in a line its text with the comma before or after it."""
    if not flowing:
        edits.put(edits.line_start(start), min(edits.line_end(end) + 1, len(edits.text)), "")
        return
    head = edits.text[:start].rstrip()
    if head.endswith(","):
        edits.put(len(head) - 1, end, "")
    else:
        rest = edits.text[end:]
        after = rest.lstrip()
        edits.put(start, end + len(rest) - len(after.removeprefix(",").lstrip(" ")), "")


def _margin(edits: _Edits, place: int) -> str:
    """What stands before a block's first entry in its line, with blanks for anything but blanks."""
    before = edits.text[edits.line_start(place) : place]
    return "".join(sign if sign == " " else " " for sign in before.split("- ")[0]) if before.strip() else before


def _end(edits: _Edits, node: yaml.Node) -> int:
    """Where a value's own text ends; a block's mark stands behind the blank lines and comments that follow it."""
    last: Any = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        tail = last.value[-1]
        last = tail[1] if isinstance(tail, tuple) else tail
    text = edits.text[: last.end_mark.index]
    return len(text.rstrip()) if isinstance(last, yaml.ScalarNode) else len(text)
