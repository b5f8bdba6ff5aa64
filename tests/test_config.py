from pathlib import Path

import pytest

from p2c_lib.config import Secret, Workspace, workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.patience import Patience

TOML = """
[connections.s]
app = "sales"
url = "https://org.crm4.dynamics.com/"
client_id = "c"
secret = "env:P2C_TEST_SECRET"

[connections.f]
app = "finops"
url = "https://org.operations.dynamics.com"
client_id = "c"

[sets.prod]
sales = "s"
finops = "f"
company = "USMF"
protected = true
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("P2C_WORKSPACE", raising=False)
    (tmp_path / "p2c.toml").write_text(TOML)
    return tmp_path


def test_the_nearest_folder_with_a_toml_is_the_workspace(home: Path) -> None:
    deep = home / "a" / "b"
    deep.mkdir(parents=True)
    assert workspace(deep).root == home.resolve()


def test_a_set_pairs_two_connections(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_TEST_SECRET", "s3cret")
    found = workspace(home).connection_set("prod")
    assert found.to_dict() == {
        "name": "prod",
        "sales": "https://org.crm4.dynamics.com",
        "finops": "https://org.operations.dynamics.com",
        "company": "USMF",
        "business_unit": None,
        "protected": True,
    }
    assert found.sales.secret is not None
    assert found.sales.secret.reveal() == "s3cret"
    assert "s3cret" not in repr(found)


def test_the_sandbox_set_always_exists(tmp_path: Path) -> None:
    assert Workspace(tmp_path).sets == ("sandbox",)
    assert Workspace(tmp_path).connection_set("sandbox").company == "USMF"


def test_an_unknown_set_names_the_nearest(home: Path) -> None:
    with pytest.raises(
        UnknownName, match=r"Unknown connection set 'prd'.* Did you mean 'prod'\? Allowed: prod, sandbox"
    ):
        workspace(home).connection_set("prd")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("company =", "compny =", "Unknown key 'compny' in sets.prod. Did you mean 'company'"),
        ('finops = "f"', 'finops = "g"', "Unknown connection 'g'"),
        ('finops = "f"', 'finops = "s"', "connections.s is a sales connection where finops is needed"),
        ("https://org.crm4", "http://org.crm4", "Use https://; plain http is only for 127.0.0.1"),
        ("env:P2C_TEST_SECRET", "hunter2", "Use env:NAME, file:PATH or keyring:SERVICE/USER"),
        ('app = "sales"', 'app = "crm"', "Unknown app 'crm' in connections.s"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\nuser = []', "Unknown key 'user' in connections.s. Did you mean 'users'"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\nusers = {}', "connections.s.users is no list"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\nusers = [{client_id = "d"}]', "connections.s.users[1] lacks secret"),
        (
            '"env:P2C_TEST_SECRET"',
            '"env:A"\nusers = [{client_id = "d", sekret = "env:B"}]',
            "Unknown key 'sekret' in connections.s.users[1]. Did you mean 'secret'",
        ),
        ('"env:P2C_TEST_SECRET"', '"env:A"\nusers = [{client_id = "c", secret = "env:B"}]', "names the user c twice"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\nusers = [{client_id = "d", secret = "hunter2"}]', "Use env:NAME"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\ncertificate = "file:a.pem"', "both a secret and a certificate"),
        ('secret = "env:P2C_TEST_SECRET"', 'certificate = "env:A"', "no file of .pem, .pfx, .p12"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\ncertificate_password = "env:B"', "without a certificate"),
        ('"env:P2C_TEST_SECRET"', '"env:A"\ninteractive = true', "is interactive and has secret too"),
        ('secret = "env:P2C_TEST_SECRET"', 'interactive = "yes"', "has interactive = 'yes'"),
        ("[sets.prod]", "[sts.prod]", "Unknown key 'sts'"),
        ("[sets.prod]", "[sets.prod", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named(home: Path, old: str, new: str, says: str) -> None:
    (home / "p2c.toml").write_text(TOML.replace(old, new, 1))
    with pytest.raises((ConfigError, UnknownName)) as caught:
        workspace(home).connection_set("prod")
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_leads_nowhere_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="env:P2C_NO_SUCH is not set"):
        Secret("env:P2C_NO_SUCH").reveal()
    with pytest.raises(ConfigError, match="cannot be read"):
        Secret(f"file:{tmp_path / 'none'}").reveal()
    (tmp_path / "one").write_text("value\n")
    assert Secret(f"file:{tmp_path / 'one'}").reveal() == "value"


def test_further_users_share_a_connections_place_but_not_its_name(home: Path) -> None:
    users = 'users = [{client_id = "d", secret = "env:B"}, {client_id = "e", certificate = "file:/keys/e.pem"}]'
    (home / "p2c.toml").write_text(TOML.replace('secret = "env:P2C', f'{users}\nsecret = "env:P2C', 1))
    sales = workspace(home).connection_set("prod").sales
    assert [(user.client_id, str(user.secret), user.url, user.users) for user in sales.users] == [
        ("d", "Secret('env:B')", sales.url, ()),
        ("e", "Secret('file:/keys/e.pem')", sales.url, ()),
    ]
    assert (sales.client_id, str(sales.secret)) == ("c", "Secret('env:P2C_TEST_SECRET')")


def test_a_certificate_or_a_person_takes_the_secrets_place(home: Path) -> None:
    certificate = 'certificate = "file:app.pfx"\ncertificate_password = "env:P2C_PASS"'
    (home / "p2c.toml").write_text(
        TOML.replace('secret = "env:P2C_TEST_SECRET"', certificate).replace(
            'client_id = "c"\n\n[sets', 'client_id = "c"\ninteractive = true\n\n[sets'
        )
    )
    found = workspace(home).connection_set("prod")
    assert (str(found.sales.secret), str(found.sales.passphrase)) == (
        "Secret('file:app.pfx')",
        "Secret('env:P2C_PASS')",
    )
    assert (found.finops.interactive, found.finops.secret, found.sales.interactive) == (True, None, False)


def test_a_connection_says_how_long_it_is_waited_for(home: Path) -> None:
    with (home / "p2c.toml").open("a") as file:
        file.write("[connections.s.patience]\nbudget = 900\nleast_speed = 50.5\ntries = 6\n")
    found = workspace(home).connection_set("prod")
    assert (found.sales.patience.budget, found.sales.patience.least_speed, found.sales.patience.tries) == (900, 50.5, 6)
    assert found.finops.patience == Patience()


@pytest.mark.parametrize(
    "said", ["bugdet = 9", "budget = 0", "budget = -1", "tries = 2.5", "tries = true", "budget = inf"]
)
def test_a_patience_that_is_none_is_refused_by_name(home: Path, said: str) -> None:
    with (home / "p2c.toml").open("a") as file:
        file.write(f"[connections.s.patience]\n{said}\n")
    with pytest.raises(ConfigError, match=rf"connections.s.patience: {said.partition(' ')[0]} is"):
        workspace(home).connection_set("prod")
