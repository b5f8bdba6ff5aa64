"""A connection set is walked through over real sockets; whatever is wrong is a finding with its remedy."""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from p2c_lib.config import Workspace, know_secrets, workspace
from p2c_lib.connecting import ConnectionCheck, Finding, check_connection
from p2c_lib.errors import UnknownName
from p2c_lib.sandbox import process
from tests import warm
from tests.bad_network import heard_server

SECRET = "P2C_TEST_CONNECTING"
STEPS = (
    *("settings", "address", "tls", "service", "token", "identity", "entities", "rights"),
    *("two-systems", "columns", "company", "alternate-keys", "change-tracking"),
)
CONNECTION = """
[connections.{app}]
app = "{app}"
url = "{url}"
client_id = "{client}"
secret = "env:{secret}"
token_url = "{url}/{tenant}/oauth2/v2.0/token"
"""
SET = """
[sets.mine]
sales = "sales"
finops = "finops"
company = "{company}"
"""
Made = Callable[..., Workspace]


@pytest.fixture
def made(tmp_path: Path, sandbox: process.Running, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A workspace whose set ``mine`` leads to the sandbox, but for what is said otherwise."""
    monkeypatch.setenv(SECRET, sandbox.token)
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))

    def make(company: str = "USMF", running: process.Running = sandbox, **other: str) -> Workspace:
        told = {"client": "tester", "secret": SECRET, "tenant": "t", **other}
        urls = {"sales": told.pop("sales", running.sales_url), "finops": told.pop("finops", running.finops_url)}
        parts = [CONNECTION.format(app=app, url=url, **told) for app, url in urls.items()]
        (tmp_path / "p2c.toml").write_text("".join(parts) + SET.format(company=company), encoding="utf-8")
        return workspace()

    return make


def failed(found: ConnectionCheck) -> list[tuple[str, str]]:
    return [(finding.app, finding.step) for finding in found.findings if finding.status == "fail"]


def of(found: ConnectionCheck, app: str, step: str) -> Finding:
    (finding,) = [one for one in found.findings if (one.app, one.step) == (app, step)]
    return finding


def test_a_good_set_holds_in_every_step_and_each_is_told(made: Made) -> None:
    told: list[Finding] = []
    found = check_connection("mine", workspace=made(), tell=told.append)
    assert {finding.status for finding in found.findings} == {"ok"}
    assert (found.verdict, tuple(told)) == ("pass", found.findings)
    assert {finding.step for finding in found.findings} == set(STEPS)
    assert [f.step for f in found.findings if f.app == "sales"] == list(STEPS[:8])


def test_a_wrong_secret_is_named_with_where_to_get_the_right_one(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    here = made()
    monkeypatch.setenv(SECRET, "its-id-instead")
    found = check_connection("mine", workspace=here)
    assert failed(found) == [("sales", "token"), ("finops", "token")]
    assert "Certificates & secrets" in of(found, "sales", "token").remedy
    assert of(found, "sales", "rights").status == "not reached"
    assert "its-id-instead" not in json.dumps(found.to_dict()) + found.report().to_html()


@pytest.mark.parametrize("word", ["accounts", "CustomersV2", "s3cret!", "20260101"])
def test_a_secret_that_is_a_word_is_told_of(made: Made, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    here = made()
    monkeypatch.setenv(SECRET, word)
    settings = of(check_connection("mine", workspace=here), "sales", "settings")
    assert settings.status == "warn"
    assert f"the secret env:{SECRET} may be a word or a number of your data" in settings.finding
    assert "16 letters" in settings.remedy
    assert know_secrets() == [f"env:{SECRET}"] * 2
    monkeypatch.setenv(SECRET, "Zt9.k4Qx7-tell-nobody")
    assert of(check_connection("mine", workspace=here), "sales", "settings").status == "ok"
    assert know_secrets() == []


def test_a_secret_that_is_not_there_is_found_before_anything_is_sent(made: Made) -> None:
    found = check_connection("mine", workspace=made(secret="P2C_NEVER_SET"))
    assert failed(found) == [("sales", "settings"), ("finops", "settings")]
    assert of(found, "sales", "settings").remedy.startswith("Set the environment variable P2C_NEVER_SET")


def test_an_unknown_tenant_is_told_from_a_wrong_secret(made: Made) -> None:
    found = check_connection("mine", workspace=made(tenant="contoso.example"))
    assert failed(found) == [("sales", "token"), ("finops", "token")]
    assert "Tenant 'contoso.example' not found" in of(found, "sales", "token").finding
    assert "directory (tenant) id" in of(found, "sales", "token").remedy


def test_an_address_where_nobody_listens(made: Made) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        found = check_connection("mine", workspace=made(finops=url))
    assert failed(found) == [("finops", "address")]
    assert "nobody answers" in of(found, "finops", "address").finding
    assert of(found, "", "company").status == "not reached"


def test_the_addresses_of_the_two_systems_exchanged(made: Made, sandbox: process.Running) -> None:
    found = check_connection("mine", workspace=made(sales=sandbox.finops_url, finops=sandbox.sales_url))
    assert failed(found) == [("sales", "identity"), ("finops", "identity")]
    assert "Is it the other system's?" in of(found, "sales", "identity").remedy


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"Content-Type": "text/html"}, b"<title>Sign in to your account</title>"), "Sign in to your account"),
        ((302, {"Location": "https://login.microsoftonline.com/x"}, b""), "sign in at login.microsoftonline.com"),
        ((200, {"Content-Type": "application/json"}, b'{"status":"healthy"}'), "which is not what F&O says"),
    ],
)
def test_what_answers_in_the_place_of_the_system_is_named_with_what_to_look_at(
    made: Made, answer: tuple[int, dict[str, str], bytes], words: str
) -> None:
    def say(_method: str, _path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return answer if "authorization" in headers else (401, {}, b"")

    with heard_server(say) as url:
        found = check_connection("mine", workspace=made(finops=url))
    assert failed(found) == [("finops", "identity")]
    assert words in of(found, "finops", "identity").finding
    assert "p2c.toml" in of(found, "finops", "identity").remedy
    assert of(found, "", "company").status == "not reached"


def test_an_address_copied_with_its_path(made: Made, sandbox: process.Running) -> None:
    found = check_connection("mine", workspace=made(sales=f"{sandbox.sales_url}/main.aspx"))
    assert failed(found) == [("sales", "settings")]
    assert "/main.aspx" in of(found, "sales", "settings").finding


def test_the_example_of_a_new_workspace_is_recognised(made: Made) -> None:
    found = check_connection("mine", workspace=made(client="00000000-0000-0000-0000-000000000000"))
    assert failed(found) == [("sales", "settings"), ("finops", "settings")]
    assert "client_id is the example's" in of(found, "finops", "settings").finding


def test_a_company_that_is_not_there(made: Made) -> None:
    found = check_connection("mine", workspace=made(company="DEMF2"))
    assert failed(found) == [("", "company")]
    assert "DEMF2 is none of" in of(found, "", "company").finding


def test_an_entity_set_that_is_not_there_and_the_columns_of_the_rest(made: Made) -> None:
    here = made()
    here.templates.mkdir()
    (here.templates / "vendors.yml").write_text(
        "task: vendors\ntitle: Vendors\nsource: {app: sales, entity: accounts}\n"
        "destination: {app: finops, entity: CustomersV4}\nkey: {accountnumber: CustomerAccount}\n"
        "fields: [{from: accountnumber, to: CustomerAccount}]\n",
        encoding="utf-8",
    )
    found = check_connection("mine", workspace=here)
    assert failed(found) == [("finops", "entities"), ("", "columns")]
    assert "CustomersV4 (is it CustomersV2?)" in of(found, "finops", "entities").finding
    assert "Refresh the entity list" in of(found, "finops", "entities").remedy
    assert of(found, "", "company").status == "ok"


def test_a_template_that_cannot_be_read_is_a_finding(made: Made) -> None:
    here = made()
    here.templates.mkdir()
    (here.templates / "accounts.yml").write_text("task: [", encoding="utf-8")
    found = check_connection("mine", workspace=here)
    assert failed(found) == [("sales", "entities"), ("finops", "entities"), ("", "columns")]
    assert "is no YAML" in of(found, "", "columns").finding
    assert of(found, "", "company").status == "ok"


@pytest.mark.parametrize(("content", "settings"), [(b"\x80\xff", "ok"), (None, "fail")], ids=["there", "absent"])
def test_a_certificate_is_looked_for_and_not_read_as_text(
    made: Made, tmp_path: Path, content: bytes | None, settings: str
) -> None:
    here = made()
    file = tmp_path / "app.pfx"
    if content is not None:
        file.write_bytes(content)
    settled = (
        (here.root / "p2c.toml").read_text("utf-8").replace(f'secret = "env:{SECRET}"', f'certificate = "file:{file}"')
    )
    (here.root / "p2c.toml").write_text(settled, encoding="utf-8")
    found = check_connection("mine", workspace=workspace())
    assert of(found, "sales", "settings").status == settings
    assert str(file) in of(found, "sales", "settings").finding


def test_settings_that_do_not_fit_are_a_finding_and_an_unknown_set_an_error(made: Made) -> None:
    here = made(sales="http://contoso.example")
    found = check_connection("mine", workspace=here)
    assert [(f.step, f.status) for f in found.findings] == [("settings", "fail")]
    assert "plain http is only for 127.0.0.1" in found.findings[0].remedy
    with pytest.raises(UnknownName, match="Unknown connection set 'myne'"):
        check_connection("myne", workspace=here)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Running]:
    """A sandbox whose callers may not read contacts and quotes."""
    home = tmp_path_factory.mktemp("strict")
    (home / "switches.json").write_text('{"sales": {"without_rights": ["contact", "quote"]}}', encoding="utf-8")
    running = process.start(home, token="strict")
    yield running
    process.stop(running)


def test_a_user_without_rights_is_told_which_tables_are_missing(
    made: Made, strict: process.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = made(running=strict)
    monkeypatch.setenv(SECRET, "strict")
    found = check_connection("mine", workspace=here)
    assert failed(found) == [("sales", "rights")]
    assert of(found, "sales", "rights").finding == "may not read contacts, quotes"
    assert "security role with Read" in of(found, "sales", "rights").remedy


def p2c(here: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    return warm.answered(here.root, "connect", "test", *words, further={"NO_COLOR": "1"})


def test_the_command_ends_with_0_1_or_2_and_gives_one_json_object(made: Made) -> None:
    good = p2c(made(), "--set", "mine", "--json")
    assert (good.returncode, json.loads(good.stdout)["verdict"]) == (0, "pass")
    bad = p2c(made(company="XX"), "--set", "mine")
    assert bad.returncode == 1
    assert "First to mend: both, company" in bad.stdout
    assert "Set the company of the connection set" in bad.stdout
    assert p2c(made(), "--set", "other").returncode == 2
