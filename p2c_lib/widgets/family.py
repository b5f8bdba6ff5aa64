"""What all widgets share: one look in JupyterLab's own colours, light and dark, and what they draw with."""

from __future__ import annotations

from pathlib import Path

__all__ = ["family_file"]

HERE = Path(__file__).parent


def family_file(own: str) -> str:
    """The family's style sheet or script, by the suffix of the name, and after it a widget's own."""
    files = HERE / f"family{Path(own).suffix}", HERE / own
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
