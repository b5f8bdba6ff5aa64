"""How many seconds of CPU the search for secrets costs for each megabyte of text that a run kept.

    python benchmarks/secrecy.py [rows]

Four text columns as accounts have them in Parquet, a page in HTML and an executed notebook in JSON, with two secrets
and four tokens known; one of the secrets begins with words that stand in the rows.
"""

import json
import random
import string
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from p2c_lib.secrecy import clean_folder, keep_secret, keep_token
from p2c_lib.secrecy.known import whole_secrets

WORDS = ["Contoso", "Retail", "Nord", "West", "Trading", "GmbH", "Ltd", "Bicycle", "Coffee", "Works"]


def accounts(rows: int, chance: random.Random) -> pa.Table:
    """Rows with texts that hardly ever repeat."""
    return pa.table(
        {
            "accountnumber": [f"ACC-{n:07d}" for n in range(rows)],
            "accountid": [f"{chance.getrandbits(128):032x}" for _ in range(rows)],
            "name": [f"{' '.join(chance.choices(WORDS, k=3))} {n}" for n in range(rows)],
            "emailaddress1": [f"{chance.choice(WORDS)}{n}@contoso.com".lower() for n in range(rows)],
        }
    )


def measured(file: Path, megabytes: float) -> None:
    """Search the folder of a file, tell the seconds, and leave it empty."""
    began = time.process_time()
    found = clean_folder(file.parent)
    seconds = time.process_time() - began
    file.unlink()
    looked = getattr(whole_secrets(), "looked", 0)
    cost = f"{seconds:.2f} s, {seconds / megabytes:.3f} s/MB"
    print(f"{file.name}: {cost}; {looked} values decoded, {found.cleaned} cleaned")


def main(rows: int) -> None:
    """Make the files one after another and search each."""
    chance = random.Random(1)
    keep_secret("between-secret-0042")
    keep_secret("Contoso Retail GmbH 2026!")
    for _ in range(4):
        keep_token("eyJ0" + "".join(chance.choices(string.ascii_letters + string.digits + "-_", k=1_500)))
    with tempfile.TemporaryDirectory() as place:
        table, folder = accounts(rows, chance), Path(place)
        pq.write_table(table, folder / "source.parquet")
        measured(folder / "source.parquet", table.nbytes / 1e6)
        page = "".join(f"<tr><td>{name}</td></tr>\n" for name in table.column("name").to_pylist())
        (folder / "report.html").write_text(page)
        measured(folder / "report.html", len(page) / 1e6)
        book = json.dumps(
            {"cells": [{"outputs": [{"text/html": page[at : at + 1_000]}]} for at in range(0, len(page), 1_000)]}
        )
        (folder / "notebook.ipynb").write_text(book)
        measured(folder / "notebook.ipynb", len(book) / 1e6)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
