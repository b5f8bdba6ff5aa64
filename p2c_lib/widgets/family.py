"""What all widgets share: one look, in JupyterLab's own colours, light and dark."""

from __future__ import annotations

from pathlib import Path

__all__ = ["family_style"]

HERE = Path(__file__).parent


def family_style(own: str) -> str:
    """The family's style and a widget's own, the file of that name, as one sheet."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("family.css", own))
