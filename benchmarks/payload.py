"""Writing: rows of a frame as UpsertMultiple bodies of 1,000, against Microsoft's own client.

python benchmarks/payload.py [--rows 200000] [--repeat 3] [--peers PYTHON] [--json]
"""

from __future__ import annotations

import argparse
import tempfile

from client_race import own, peer, peer_python, race, ratio, show


def main() -> None:
    """Run the benchmark."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=200_000)
    words.add_argument("--repeat", type=int, default=3)
    words.add_argument("--peers", metavar="PYTHON")
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    python = peer_python(given.peers)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.parquet"
        race({"frame": own("payload_frame", path, str(given.rows))}, 1)
        found = race({"own": own("payload_own", path), "sdk": peer(python, "sdk_payload", path)}, given.repeat)
    figures = {
        "rows_per_s_vs_dataverse_sdk": ratio(found, "own", "sdk"),
        "rows_per_s": round(found["own"]["rows_per_s"]),
    }
    show("payload", given.rows, figures, as_json=given.json)


if __name__ == "__main__":
    main()
