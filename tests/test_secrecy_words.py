"""A secret that is an everyday word changes nothing that programs go by: names, keys, ids, plans, journals."""

import io
import json
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from p2c_lib import events
from p2c_lib.cli.show import json_line
from p2c_lib.ledger import open_ledger
from p2c_lib.ledger.database import engine_of
from p2c_lib.run_folder import keep
from p2c_lib.secrecy import keep_secret, keep_token, masked
from p2c_lib.secrecy.sinks import MaskedStream

WORDS = ["accounts", "created", "CustomersV2", "20260101"]
FIRM = "between-secret-0042"


@pytest.fixture(params=WORDS)
def word(request: pytest.FixtureRequest) -> str:
    keep_secret(FIRM)
    return keep_secret(str(request.param))


def test_what_is_told_to_people_is_without_it(word: str) -> None:
    assert masked(f"the service said {word}!") == "the service said ***!"


def test_events_and_facts_keep_it(word: str, tmp_path: Path) -> None:
    events.append(tmp_path / "events.jsonl", event="step", task=word, why=f"{word} {FIRM}", facts={word: [word, FIRM]})
    keep(tmp_path, {"task": word, "problems": {word: FIRM}}, "task.json")
    (line,) = events.Follower(tmp_path / "events.jsonl")
    assert line["task"] == word
    assert line["why"] == f"{word} ***"
    assert line["facts"] == {word: [word, "***"]}
    assert json.loads((tmp_path / "task.json").read_text()) == {"task": word, "problems": {word: "***"}}


def test_the_ledger_keeps_it_and_is_sound(word: str, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.begin_run(f"r-{word}", connection_set=word, company=word[:20], apply=True)
    # A name may even hold a secret: programs go by it.
    names = [{"position": n, "op": "create", "entity_set": word, "key": f"{word} {FIRM} {n}"} for n in (1, 2)]
    ledger.sending(f"p-{word}", names)
    said = {"state": "failed", "status": 400, "message": f"no {word}: {FIRM}", "request_id": FIRM}
    ledger.answered(f"p-{word}", [{"position": n, **said} for n in (1, 2)])
    assert ledger.verify().sound
    kept = ledger.operations(f"p-{word}")
    assert [row["key"] for row in kept] == [f"{word} {FIRM} {n}" for n in (1, 2)]
    assert [row["message"] for row in kept] == [f"no {word}: ***"] * 2
    ledger.close()
    engine = engine_of(tmp_path)
    with engine.connect() as connection:
        assert connection.execute(sql("SELECT run_id, connection_set FROM runs")).all() == [(f"r-{word}", word)]
    engine.dispose()


def test_json_on_the_screen_is_json_with_its_names(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", MaskedStream(shown))
    pieces = [FIRM[:9], FIRM[9:]]
    json_line({word: word, "why": f"said {FIRM}", "pieces": pieces})
    # Pieces in texts of their own are no reason to cut through the form of what a program reads.
    assert json.loads(shown.getvalue()) == {word: word, "why": "said ***", "pieces": pieces}


def test_a_token_that_is_a_word_is_no_secret_at_all() -> None:
    for word in WORDS:
        assert masked(keep_token(word)) == word
