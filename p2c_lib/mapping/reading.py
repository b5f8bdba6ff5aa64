"""Template files: found by task or path, read by the safe loader, refused with the place and the nearest right name."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.mapping.mistakes import keys
from p2c_lib.mapping.template import Template, checked

__all__ = ["compose", "packaged_tasks", "packaged_template", "parse", "read_yaml", "template", "template_text"]

SUFFIX = ".yml"
LONGEST_WHOLE = 4_300  # digits that Python reads a whole number of


def template(name: str | Path, **options: str) -> Template:
    """The template of a task, or of a file; ``options`` answer its open questions otherwise than it does itself.

    A task's own file in the workspace (``templates/<task>.yml``) goes before the packaged one. Raises ``UnknownName``
    for a task without a template and ``TemplateError`` for a file that is wrong.

    >>> template("accounts").destination.entity
    'CustomersV2'
    """
    return _found(name).choose(**options)


def _found(name: str | Path) -> Template:
    path = Path(name)
    if path.suffix in {".yml", ".yaml"} or len(path.parts) > 1:
        return parse(_text(path), name=str(path))
    own = _own_templates() / f"{name}{SUFFIX}"
    return parse(_text(own), name=str(own)) if own.is_file() else packaged_template(str(name))


def packaged_template(task: str) -> Template:
    """The template of a task that comes with the package. Raises ``UnknownName``."""
    if task not in packaged_tasks():
        raise UnknownName("task", task, {*packaged_tasks(), *(f.stem for f in _own_templates().glob(f"*{SUFFIX}"))})
    return _packaged(task)


@cache
def _packaged(task: str) -> Template:
    return parse(template_text(task), name=f"{task}{SUFFIX}")


def packaged_tasks() -> tuple[str, ...]:
    """The tasks that come with a template."""
    files = (resources.files("p2c_lib.mapping") / "templates").iterdir()
    return tuple(sorted(Path(f.name).stem for f in files if f.name.endswith(SUFFIX)))


def parse(text: str, *, name: str = "template") -> Template:
    """The template a YAML text holds; raises ``TemplateError`` naming the path of the first mistake."""
    data = read_yaml(text, name=name)
    if not isinstance(data, dict):
        raise TemplateError(f"{name} holds no template.", hint=f"Begin with the keys {', '.join(keys(Template))}.")
    return checked(data)


def read_yaml(text: str, *, name: str) -> Any:
    """YAML as plain values, safely and by YAML 1.2's scalars; raises ``TemplateError`` for text that is none."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        raise TemplateError(f"{name} is no YAML: {_first_line(error)}", hint="Check indentation and quotes.") from None


def compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML text with their places in it; raises ``TemplateError`` for text that is none."""
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise TemplateError(
            f"The text is no YAML: {_first_line(error)}", hint="Check indentation and quotes."
        ) from None


def template_text(task: str) -> str:
    """The text of the template that comes with the package for a task; empty where there is none."""
    if task not in packaged_tasks():
        return ""
    return (resources.files("p2c_lib.mapping") / "templates" / f"{task}{SUFFIX}").read_text(encoding="utf-8")


def _own_templates() -> Path:
    from p2c_lib.config import workspace

    return workspace().templates


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        hint = f"Give a template file, or a task: {', '.join(packaged_tasks())}."
        raise TemplateError(f"{path} cannot be read: {error.strerror}.", hint=hint) from None
    except UnicodeDecodeError as error:
        raise TemplateError(
            f"{path} is no UTF-8 at byte {error.start + 1:,}.", hint="Save it as UTF-8 in your editor."
        ) from None


def _first_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's scalars: only true and false are booleans, 010 is text, a key comes once.

    A number that Python would write otherwise than it was typed (1.10, +47, thirty digits) is the text that was typed.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain value", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' comes twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_whole(self, node: yaml.ScalarNode) -> int | str:
        typed = str(node.value)
        return int(typed) if len(typed) <= LONGEST_WHOLE and str(int(typed)) == typed else typed

    def construct_broken(self, node: yaml.ScalarNode) -> float | str:
        return float(node.value) if repr(float(node.value)) == node.value else str(node.value)


_TAG = "tag:yaml.org,2002:"
_OWN = {f"{_TAG}{name}" for name in ("bool", "int", "float", "timestamp", "value")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(true|false)$"), list("tf"))
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(r"^[-+]?(0|[1-9][0-9]*)\.[0-9]+$"), list("-+0123456789"))
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_whole)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_broken)
_Loader.add_constructor(
    f"{_TAG}merge", yaml.SafeLoader.yaml_constructors[f"{_TAG}str"]
)  # a value of <<; as a key it merges
