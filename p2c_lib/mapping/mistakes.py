"""What is wrong with a template, in the workbench's words: the place, what is allowed, the nearest right name."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from p2c_lib.errors import TemplateError, UnknownName

__all__ = ["keys", "translated"]

UNION_BRANCHES = {"str", "tuple[str, ...]", "[key]"}


def keys(model: type[BaseModel]) -> list[str]:
    """The keys a part of a template may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


def translated(error: ValidationError, parts: Mapping[str, type[BaseModel]]) -> TemplateError:
    """Pydantic's first finding as a ``TemplateError``; unknown keys go first, since they explain missing ones.

    ``parts`` are the models below the template by the last named key on the way to them.
    """
    found = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")[0]
    loc = tuple(part for part in found["loc"] if part not in UNION_BRANCHES)
    where = path_text(loc)
    if found["type"] == "extra_forbidden":
        unknown = UnknownName("key", str(loc[-1]), keys(_model(loc[:-1], parts)))
        return TemplateError(unknown.message, path=where, hint=unknown.hint)
    if found["type"] == "p2c":
        return TemplateError(found["msg"], path=where, hint=found["ctx"]["hint"])
    if found["type"] == "missing":
        return TemplateError("is missing.", path=where, hint="Every template needs it.")
    came = f" (came: {found['input']!r})" if isinstance(found["input"], str | int | float | list) else ""
    return TemplateError(f"{found['msg'].removeprefix('Value error, ')}{came}.", path=where or None)


def path_text(loc: tuple[int | str, ...]) -> str:
    """A place in a template as a person writes it.

    >>> path_text(("fields", 3, "apply", 0))
    'fields[3].apply[0]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _model(loc: tuple[int | str, ...], parts: Mapping[str, type[BaseModel]]) -> type[BaseModel]:
    """The model that holds the key: the one of the last known name on the way."""
    named = [str(part) for part in loc if str(part) in parts]
    if len(loc) >= 2 and loc[0] == "options" and named[-1] in {"options", "choices"}:
        named = ["choice" if named[-1] == "choices" else "option"]
    return parts[named[-1]] if named else parts[""]
