"""The workspace and its connection sets, read from ``p2c.toml``; secrets only by reference.

A workspace is the folder that holds ``p2c.toml``. Without one, the current folder is a workspace that knows only the
``sandbox`` set. State (ledger, runs, sandbox) lives in its ``.p2c/`` folder.

```toml
ledger = "env:P2C_LEDGER"  # postgresql+psycopg://...; without this line an SQLite file in .p2c/

[connections.prod-sales]
app = "sales"
url = "https://contoso.crm4.dynamics.com"
tenant = "contoso.onmicrosoft.com"
client_id = "00000000-0000-0000-0000-000000000000"
secret = "env:P2C_SALES_SECRET"  # or certificate = "file:app.pem", or interactive = true for a person
users = [{client_id = "11111111-...", secret = "env:P2C_SALES_SECRET_2"}]  # more users share the service's limits
patience = {budget = 900}  # seconds one request may take with all its waits: see p2c_lib/patience.py
largest_answer_mb = 256  # of one answer, unpacked; this is what holds without the line

[sets.prod]
sales = "prod-sales"
finops = "prod-finops"
company = "USMF"
protected = true

[notify.mail]  # who is told of failed runs: see p2c_lib/notices/channels.py
```
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from p2c_lib.errors import ConfigError, P2CError, UnknownName
from p2c_lib.patience import Patience
from p2c_lib.secrecy import is_weak, keep_public, keep_secret, keep_secrets_of_proxies, keep_secrets_of_url
from p2c_lib.service_url import spelled

__all__ = [
    "LOOPBACK",
    "SANDBOX",
    "WEAK_REMEDY",
    "Connection",
    "ConnectionSet",
    "Secret",
    "Workspace",
    "checked_table",
    "know_secrets",
    "safe_url",
    "shipped",
    "weak_said",
    "weak_secrets",
    "workspace",
]

App = Literal["sales", "finops"]
SANDBOX = "sandbox"
FILE = "p2c.toml"
WEAK_REMEDY = "Make a new secret, of 16 letters and digits or more, and let the old one end."
FILE_KEYS = ("connections", "sets", "ledger", "notify")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
CREDENTIAL_KEYS = {"client_id", "secret", "certificate", "certificate_password"}
CONNECTION_KEYS = {
    "app",
    "url",
    "tenant",
    "token_url",
    "interactive",
    "users",
    "largest_answer_mb",
    "patience",
} | CREDENTIAL_KEYS
# A page of 10,000 rows with 300 filled columns has some 100 MB; Arrow's reader counts bytes in 32 bits.
LARGEST_ANSWER_MB, MOST_MB = 256, 2_000
MB = 1024 * 1024
PEM = "-----BEGIN "
CERTIFICATES = (".pem", ".pfx", ".p12")
SET_KEYS = {"sales", "finops", "company", "business_unit", "protected"}


class Secret:
    """A reference to a secret, revealed only where it is sent.

    ``env:NAME``, ``file:PATH`` (its first line) and ``keyring:SERVICE/USER`` are the forms of a reference.

    >>> Secret("env:P2C_SALES_SECRET")
    Secret('env:P2C_SALES_SECRET')
    """

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str) -> None:
        scheme, _, rest = reference.partition(":")
        if scheme not in {"env", "file", "keyring"} or not rest:
            raise ConfigError(
                "A secret is given by reference, and this is not one.",
                hint="Use env:NAME, file:PATH or keyring:SERVICE/USER.",
            )
        self.reference = reference
        self._value: str | None = None

    @classmethod
    def literal(cls, value: str) -> Secret:
        """A secret held in memory; only the sandbox's own token is made this way."""
        secret = cls("env:literal")
        secret.reference, secret._value = "literal", value
        return secret

    def reveal(self) -> str:
        """The secret itself, which nothing that is told shows from now on.

        Raises ConfigError when the reference leads nowhere.
        """
        if self._value is not None:
            return keep_secret(self._value)
        scheme, _, rest = self.reference.partition(":")
        read = {"env": _from_environment, "file": _from_file, "keyring": _from_keyring}[scheme]
        value = read(rest)
        if "://" in value:
            return keep_secrets_of_url(value)
        return value if value.startswith(PEM) else keep_secret(value)

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    __str__ = __repr__


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigError(
            f"The secret env:{name} is not set.", hint=f"Set the environment variable {name} and try again."
        ) from None


def _from_file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").splitlines()[0].strip()
    except (OSError, IndexError, UnicodeDecodeError) as error:
        hint = "The secret is the first line of that file; the file must be yours to read."
        raise ConfigError(f"The secret file:{path} cannot be read ({error}).", hint=hint) from None


def _from_keyring(place: str) -> str:
    service, _, user = place.partition("/")
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ConfigError(
            f"The secret keyring:{place} needs the package keyring.",
            hint="Run pip install keyring, or use env: or file:.",
        ) from None
    value = keyring.get_password(service, user)
    if not value:
        hint = f"Store it there: keyring set {service} {user}"
        raise ConfigError(f"The keyring has no password for {service}/{user}.", hint=hint)
    return str(value)


@dataclass(frozen=True)
class Connection:
    """Where one system is and as whom to speak to it; ``url`` has no trailing slash.

    ``token_url`` is None for real tenants: tokens then come from Microsoft Entra for ``tenant``. ``secret`` refers to
    a client secret or, by a .pem, .pfx or .p12 file, to a certificate, whose ``passphrase`` may be another one.
    ``interactive``: a person signs in with a code. ``users`` are further application users of the same service.
    ``patience`` is how long it is waited for.
    ``largest_answer`` is how many bytes one answer may have, as it comes and unpacked.
    """

    name: str
    app: App
    url: str
    client_id: str
    secret: Secret | None
    tenant: str = "common"
    token_url: str | None = None
    passphrase: Secret | None = None
    interactive: bool = False
    users: tuple[Connection, ...] = ()
    patience: Patience = field(default=Patience(), repr=False)
    largest_answer: int = LARGEST_ANSWER_MB * MB

    def __post_init__(self) -> None:
        """Where a system is and who asks is no secret, whatever a service may give as a token."""
        keep_public(self.name, self.url, self.client_id, self.tenant, self.token_url)


@dataclass(frozen=True)
class ConnectionSet:
    """One Sales and one F&O connection, with the company and business unit that belong together."""

    name: str
    sales: Connection
    finops: Connection
    company: str
    business_unit: str | None = None
    protected: bool = False

    def __post_init__(self) -> None:
        """A company is one however it is spelt; it has one spelling wherever something is kept of it."""
        object.__setattr__(self, "company", self.company.upper())
        keep_public(self.name, self.company, self.business_unit)

    def to_dict(self) -> dict[str, Any]:
        """The set without its secrets."""
        return {
            "name": self.name,
            "sales": self.sales.url,
            "finops": self.finops.url,
            "company": self.company,
            "business_unit": self.business_unit,
            "protected": self.protected,
        }


@dataclass(frozen=True)
class Workspace:
    """A folder with its connection sets, its state and its expectations."""

    root: Path
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """What the file names openly is no secret."""
        keep_public(*_public_words(self.content))

    @property
    def state(self) -> Path:
        """``.p2c/``: ledger, runs and the sandbox."""
        return self.root / ".p2c"

    @property
    def ledger(self) -> Path | str:
        """Where the ledger is: the state folder, or the URL that ``ledger`` in p2c.toml refers to.

        Raises ConfigError for a URL that shows its password.
        """
        named = self.content.get("ledger")
        if named is None:
            return self.state
        if not isinstance(named, str):
            raise ConfigError(f"ledger is {named!r}.", hint="Write a database URL, or a secret's reference.")
        if named.partition(":")[0] in {"env", "file", "keyring"}:
            return Secret(named).reveal()
        if urlsplit(named).password:
            hint = 'Put the URL where a reference leads to it: ledger = "env:P2C_LEDGER".'
            raise ConfigError(f"ledger in {self.root / FILE} shows a password.", hint=hint)
        return named

    @property
    def sandbox_home(self) -> Path:
        """Where the sandbox of this workspace keeps its rows and says where it listens."""
        return self.state / "sandbox"

    @property
    def metadata(self) -> Path:
        """Where answers about entity sets and columns are kept, to be asked for again only when they changed."""
        return self.state / "metadata"

    @property
    def expectations(self) -> Path:
        """The suites of this workspace, or the packaged ones where it has none."""
        return self._own_or_shipped("expectations")

    @property
    def notebooks(self) -> Path:
        """The notebooks of this workspace, or the packaged ones where it has none."""
        return self._own_or_shipped("notebooks")

    @property
    def templates(self) -> Path:
        """The workspace's own templates: ``<task>.yml`` adds a task or stands for the packaged one of that name."""
        return self.root / "templates"

    def suite(self, task: str) -> Path:
        """The suite of a task: the workspace's own, else the packaged one."""
        return self._own_file("expectations", f"{task}.json")

    def suites(self, task: str) -> tuple[Path, ...]:
        """The suite of a task, and those for what came and for what the destination knows where there are any."""
        beside = (self._own_file("expectations", f"{task}.{stage}.json") for stage in ("source", "destination"))
        return (self.suite(task), *(path for path in beside if path.is_file()))

    def notebook(self, name: str) -> Path:
        """A notebook by its name without ending: the workspace's own, else the packaged one."""
        return self._own_file("notebooks", f"{name}.ipynb")

    def _own_file(self, folder: str, name: str) -> Path:
        own = self.root / folder / name
        return own if own.is_file() else shipped(folder) / name

    def _own_or_shipped(self, name: str) -> Path:
        own = self.root / name
        return own if own.is_dir() else shipped(name)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the connection sets; ``sandbox`` is always one."""
        return (SANDBOX, *(n for n in self.content.get("sets", {}) if n != SANDBOX))

    def connection_set(self, name: str) -> ConnectionSet:
        """The connection set of that name. Raises UnknownName, or ConfigError where the file does not fit."""
        if name == SANDBOX:
            return self._sandbox_set()
        sets = self.content.get("sets", {})
        if name not in sets:
            raise UnknownName("connection set", name, self.sets, where=str(self.root / FILE))
        entry = checked_table(sets[name], SET_KEYS, {"sales", "finops", "company"}, f"sets.{name}")
        return ConnectionSet(
            name=name,
            sales=self._connection(entry["sales"], "sales"),
            finops=self._connection(entry["finops"], "finops"),
            company=str(entry["company"]),
            business_unit=entry.get("business_unit"),
            protected=bool(entry.get("protected", False)),
        )

    def _connection(self, name: str, app: App) -> Connection:
        connections = self.content.get("connections", {})
        if name not in connections:
            raise UnknownName("connection", name, connections, where=str(self.root / FILE))
        place = f"connections.{name}"
        entry = checked_table(connections[name], CONNECTION_KEYS, {"app", "url", "client_id"}, place)
        if entry["app"] not in get_args(App):
            raise UnknownName("app", str(entry["app"]), get_args(App), where=place)
        if entry["app"] != app:
            hint = f'Name a connection with app = "{app}" as {app} of the set.'
            raise ConfigError(f"{place} is a {entry['app']} connection where {app} is needed.", hint=hint)
        here = Connection(
            name=name,
            app=app,
            url=safe_url(str(entry["url"]), place),
            client_id=str(entry["client_id"]),
            secret=_secret(entry, place),
            tenant=str(entry.get("tenant", "common")),
            token_url=safe_url(str(entry["token_url"]), place) if "token_url" in entry else None,
            passphrase=_passphrase(entry, place),
            interactive=_interactive(entry, place),
            patience=_patience(entry.get("patience", {}), place),
            largest_answer=_largest_answer(entry, place),
        )
        return replace(here, users=_users(here, entry.get("users", []), place))

    def _sandbox_set(self) -> ConnectionSet:
        """The sandbox where it listens now; a URL of port 0 when it is not up."""
        server = self.sandbox_home / "server.json"
        found: dict[str, Any] = {}
        with suppress(OSError, ValueError, TypeError):  # one that was cut short is of no sandbox that is up
            found = dict(json.loads(server.read_text("utf-8")))
        secret = Secret.literal(found.get("token", ""))

        def connection(app: App) -> Connection:
            url = str(found.get(f"{app}_url", "http://127.0.0.1:0"))
            token_url = f"{url}/sandbox/oauth2/v2.0/token"
            return Connection(f"sandbox-{app}", app, url, "p2c-sandbox", secret, "sandbox", token_url)

        return ConnectionSet(SANDBOX, connection("sales"), connection("finops"), company="USMF")


def shipped(name: str) -> Path:
    """A folder that comes with the package: inside it in a wheel, beside it in a checkout."""
    packaged = Path(__file__).parent / f"_{name}"
    return packaged if packaged.is_dir() else packaged.parent.parent / name


def workspace(start: Path | None = None) -> Workspace:
    """The workspace of ``start``: ``P2C_WORKSPACE``, else the nearest folder upwards with p2c.toml, else ``start``.

    ``start`` is the current folder by default. Raises ConfigError when p2c.toml is not readable TOML.
    """
    named = os.environ.get("P2C_WORKSPACE")
    here = Path(named) if named else (start or Path.cwd())
    here = here.resolve()
    root = here if named else next((p for p in (here, *here.parents) if (p / FILE).is_file()), here)
    file = root / FILE
    if not file.is_file():
        return Workspace(root)
    try:
        content = tomllib.loads(file.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}.", hint="It is TOML: tables in [ ], texts in quotes."
        ) from None
    for key in content:
        if key not in FILE_KEYS:
            raise UnknownName("key", key, FILE_KEYS, where=str(file))
    return Workspace(root, content)


def _public_words(content: Mapping[str, Any]) -> Iterator[str]:
    """The names of connections and sets, and what they say that is no reference to a secret."""
    tables = [table for name in ("connections", "sets") if isinstance(table := content.get(name), Mapping)]
    for name, entry in (each for table in tables for each in table.items()):
        yield str(name)
        for value in entry.values() if isinstance(entry, Mapping) else ():
            if isinstance(value, str) and value.partition(":")[0] not in {"env", "file", "keyring"}:
                yield value


def weak_secrets(connections: Iterable[Connection]) -> list[str]:
    """The references of those secrets that may stand in data by chance: too short, or plain words."""
    held = [secret for one in connections for secret in (one.secret, one.passphrase) if secret is not None]
    readable = [secret for secret in held if not secret.reference.lower().endswith(CERTIFICATES)]
    return sorted({secret.reference for secret in readable if is_weak(secret.reveal())})


def weak_said(references: Sequence[str]) -> str:
    """What is told of such secrets."""
    which = " and ".join(sorted(set(references)))
    return f"the secret {which} may be a word or a number of your data: it is masked in words for people, in no file"


def know_secrets() -> list[str]:
    """Have nothing told that shows a secret the current workspace refers to, or the password of a proxy.

    Gives the references of those that are too plain to be masked in data too. References to a keyring are left: it may
    ask the person. One that leads nowhere is told where it is needed.
    """
    keep_secrets_of_proxies()
    weak: list[str] = []
    try:
        found: list[Any] = [workspace().content]
    except P2CError:
        return weak
    for each in found:
        values = each.values() if isinstance(each, Mapping) else each
        found += [value for value in values if isinstance(value, dict | list)]
        for value in values:
            if isinstance(value, str) and value.startswith(("env:", "file:")) and not value.endswith(CERTIFICATES):
                with suppress(P2CError):
                    if is_weak(Secret(value).reveal()):
                        weak.append(value)
    return weak


def checked_table(entry: Any, allowed: set[str], needed: set[str], place: str) -> dict[str, Any]:
    """A table of p2c.toml with no other keys than allowed and all that are needed.

    Raises UnknownName for a key that is none, ConfigError for one that is missing.
    """
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} is not a table.", hint=f"Write [{place}] and its keys below it.")
    for key in entry:
        if key not in allowed:
            raise UnknownName("key", key, allowed, where=place)
    missing = sorted(needed - entry.keys())
    if missing:
        raise ConfigError(f"{place} lacks {', '.join(missing)}.", hint=f"Write it below [{place}].")
    return entry


def _secret(entry: Mapping[str, Any], place: str) -> Secret | None:
    """The secret or the certificate of a connection or a further user."""
    if "certificate" not in entry:
        return Secret(str(entry["secret"])) if "secret" in entry else None
    if "secret" in entry:
        raise ConfigError(f"{place} has both a secret and a certificate.", hint="Keep the one that is to be used.")
    reference = str(entry["certificate"])
    if not (reference.startswith("file:") and reference.lower().endswith(CERTIFICATES)):
        raise ConfigError(
            f"{place} has a certificate that is no file of {', '.join(CERTIFICATES)}.",
            hint='Write certificate = "file:/keys/app.pem": the private key and the certificate in one file.',
        )
    return Secret(reference)


def _passphrase(entry: Mapping[str, Any], place: str) -> Secret | None:
    if "certificate_password" not in entry:
        return None
    if "certificate" not in entry:
        raise ConfigError(
            f"{place} has a certificate_password without a certificate.", hint="Name the certificate too."
        )
    return Secret(str(entry["certificate_password"]))


def _interactive(entry: Mapping[str, Any], place: str) -> bool:
    """Whether a person signs in; together with a secret nobody could tell as whom requests are sent."""
    given = entry.get("interactive", False)
    if not isinstance(given, bool):
        raise ConfigError(f"{place} has interactive = {given!r}.", hint="Write true or false.")
    others = sorted({"secret", "certificate", "users", "token_url"} & entry.keys())
    if given and others:
        raise ConfigError(f"{place} is interactive and has {', '.join(others)} too.", hint="Keep one of the ways.")
    return given


def _patience(told: Any, place: str) -> Patience:
    """How long a connection is waited for. Raises ConfigError for what is no table of known numbers."""
    if not isinstance(told, dict):
        raise ConfigError(f"{place}.patience is {told!r}.", hint="Write patience = {budget = 900}.")
    try:
        return Patience.of(told)
    except ValueError as error:
        raise ConfigError(f"{place}.patience: {error}.", hint="Write patience = {budget = 900}.") from None


def _largest_answer(entry: Mapping[str, Any], place: str) -> int:
    """How many bytes one answer of a connection may have."""
    given = entry.get("largest_answer_mb", LARGEST_ANSWER_MB)
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_MB:
        hint = f"Write whole megabytes from 1 to {MOST_MB:,}; {LARGEST_ANSWER_MB} holds without it."
        raise ConfigError(f"{place} has largest_answer_mb = {given!r}.", hint=hint)
    return given * MB


def _users(here: Connection, entries: Any, place: str) -> tuple[Connection, ...]:
    """Further application users of a connection, each one as a connection of its own."""
    if not isinstance(entries, list):
        raise ConfigError(f"{place}.users is no list.", hint='Write users = [{client_id = "...", secret = "env:..."}].')
    users = []
    for number, entry in enumerate(entries, 1):
        where = f"{place}.users[{number}]"
        checked = checked_table(entry, CREDENTIAL_KEYS, {"client_id"}, where)
        secret = _secret(checked, where)
        if secret is None:
            raise ConfigError(
                f"{where} lacks secret or certificate.", hint="Every further user signs in by one of them."
            )
        passphrase = _passphrase(checked, where)
        users.append(replace(here, client_id=str(checked["client_id"]), secret=secret, passphrase=passphrase))
    names = [here.client_id, *(user.client_id for user in users)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{place} names the user {', '.join(twice)} twice.", hint="Limits are counted once a user.")
    return tuple(users)


def safe_url(url: str, place: str) -> str:
    """The URL in its one spelling, without its trailing slash.

    Raises ConfigError but for TLS, or plain http to this machine, and for what is no address.
    """
    try:
        here = spelled(url.strip())
    except ValueError as error:
        raise ConfigError(
            f"{place} has a url that is none: {error}.", hint="Write it as https://contoso.crm4.dynamics.com."
        ) from None
    parts = urlsplit(here)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return here.rstrip("/")
    raise ConfigError(
        f"{place} has the url '{parts.scheme}://{parts.netloc}'.",
        hint="Use https://; plain http is only for 127.0.0.1.",
    )
