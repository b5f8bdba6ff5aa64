"""A workspace for a project of one's own: p2c.toml, notebooks, expectations and a place for templates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from p2c_lib.config import FILE, shipped
from p2c_lib.errors import ConfigError

__all__ = ["NewWorkspace", "new_workspace"]

SETTINGS = """\
# This folder is a workspace: p2c works with the nearest folder upwards that has a p2c.toml.
# The connection set "sandbox" (both systems on your own machine, made-up data) needs nothing here.
#
# Below is a set for a real tenant. Put your own addresses and ids in, then run: p2c connect test --set test
# docs/connect.md of the workbench takes an administrator through the registration on both sides.
#
# Secrets never stand here, only where they are found:
#   secret = "env:NAME"                 an environment variable
#   secret = "file:/keys/p2c.txt"       the first line of a file
#   secret = "keyring:SERVICE/USER"     the keyring of your account (pip install keyring)
#   certificate = "file:/keys/p2c.pem"  a certificate in the place of a secret
#   interactive = true                  a person signs in with a code, no secret at all

# ledger = "env:P2C_LEDGER"  # a PostgreSQL for several people; without this line an SQLite file in .p2c/

[connections.test-sales]
app = "sales"
url = "https://contoso-test.crm4.dynamics.com"
tenant = "contoso.onmicrosoft.com"
client_id = "00000000-0000-0000-0000-000000000000"
secret = "env:P2C_TEST_SECRET"

[connections.test-finops]
app = "finops"
url = "https://contoso-test.sandbox.operations.dynamics.com"
tenant = "contoso.onmicrosoft.com"
client_id = "00000000-0000-0000-0000-000000000000"
secret = "env:P2C_TEST_SECRET"

[sets.test]
sales = "test-sales"
finops = "test-finops"
company = "USMF"
protected = true  # a plan is applied only after p2c approve
"""
TEMPLATES = """\
# Templates of this workspace

`<task>.yml` here stands for the packaged template of that task, or adds a task. To change a packaged one, begin with a
copy: `p2c template export accounts templates/accounts.yml`, then `p2c template validate accounts`.
"""
IGNORED = """\
.p2c/
.ipynb_checkpoints/
"""


@dataclass(frozen=True)
class NewWorkspace:
    """What was made in ``root``, and what was there already and was left as it is; paths are relative to it."""

    root: Path
    made: tuple[Path, ...]
    kept: tuple[Path, ...]

    def to_dict(self) -> dict[str, object]:
        """The folder and both lists as plain values."""
        made, kept = ([path.as_posix() for path in paths] for paths in (self.made, self.kept))
        return {"workspace": str(self.root), "made": made, "kept": kept}


def new_workspace(folder: Path) -> NewWorkspace:
    """Make a folder a workspace; a file that is there stays as it is.

    Raises ConfigError where the folder cannot be made or written.
    """
    root = folder.expanduser().resolve()
    made, kept = [], []
    try:
        for path, content in _files().items():
            place = root / path
            if place.exists():
                kept.append(path)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            made.append(path)
    except OSError as error:
        hint = "Name a folder that you may write to; one that is absent is made."
        raise ConfigError(f"{root} cannot become a workspace ({error.strerror}).", hint=hint) from None
    return NewWorkspace(root, tuple(made), tuple(kept))


def _files() -> dict[Path, bytes]:
    """Every file of a new workspace, by its path in it."""
    written = {FILE: SETTINGS, ".gitignore": IGNORED, "templates/README.md": TEMPLATES}
    files = {Path(path): text.encode() for path, text in written.items()}
    for name, pattern in (("notebooks", "*.ipynb"), ("expectations", "*.*")):
        files |= {Path(name) / file.name: file.read_bytes() for file in sorted(shipped(name).glob(pattern))}
    return files
