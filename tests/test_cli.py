"""Bad words on the command line: one clear line, what is allowed, exit 2, no traceback."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests import warm

CUSTOM = """
[connections.sales]
app = "sales"
url = "http://127.0.0.1:9"
client_id = "c"
secret = "env:P2C_TEST_SECRET"
token_url = "http://127.0.0.1:9/t/oauth2/v2.0/token"

[connections.finops]
app = "finops"
url = "http://127.0.0.1:9"
client_id = "c"
secret = "env:P2C_TEST_SECRET"
token_url = "http://127.0.0.1:9/t/oauth2/v2.0/token"

[sets.nobody]
sales = "sales"
finops = "finops"
company = "USMF"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "p2c.toml").write_text(CUSTOM)
    return tmp_path


def p2c(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return warm.answered(home, *words, further={"P2C_TEST_SECRET": "s3cret", "NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "acounts"], "Unknown task 'acounts'. Did you mean 'accounts'?"),
        (["run", "--set", "prod"], "Unknown connection set 'prod'"),
        (["run", "--param", "celing=0.1"], "Unknown parameter 'celing'. Did you mean 'ceiling'?"),
        (["run", "--param", "ceiling=high"], "ceiling: share of rows that may be quarantined"),
        (["run", "--param", "ceiling=7"], "The parameter ceiling came as 7"),
        (["run", "--param", "limit=0"], "The parameter limit came as 0"),
        (["run", "--param", "ceiling"], "The parameter 'ceiling' has no value. Write --param name=value."),
        (["sandbox", "load", "no-such-folder"], "no-such-folder"),
        (["run", "--set", "nobody", "products"], "127.0.0.1:9"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_2(home: Path, words: list[str], says: str) -> None:
    done = p2c(home, *words)
    assert (done.returncode, done.stdout.count("Traceback"), done.stderr.count("Traceback")) == (2, 0, 0), done.stderr
    assert says in " ".join(done.stderr.replace("hint: ", "").split())
    assert "s3cret" not in done.stdout + done.stderr


def test_a_port_in_use_is_named(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = p2c(home, "sandbox", "serve", "--sales-port", str(port), "--finops-port", "0")
    assert done.returncode == 2, done.stderr
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_workspace_file_is_named(home: Path) -> None:
    (home / "p2c.toml").write_text("[sets.x")
    done = p2c(home, "run")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {home / 'p2c.toml'} cannot be read")


def test_version_and_status_answer_without_a_sandbox(home: Path) -> None:
    assert p2c(home, "--version").stdout == "p2c 0.1.0\n"
    assert "not running; p2c sandbox serve starts it" in p2c(home, "sandbox", "status").stdout
