"""The steps of a look at a connection set, each only where the ones before it held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from p2c_lib.config import CERTIFICATES, SANDBOX, WEAK_REMEDY, Connection, Workspace, weak_said, weak_secrets
from p2c_lib.config import workspace as current_workspace
from p2c_lib.connecting.remedies import about_identity, about_rights, about_token, no_entity
from p2c_lib.connecting.result import TITLES, ConnectionCheck, Finding, Status
from p2c_lib.connecting.wire import look
from p2c_lib.errors import ConfigError, NotAuthorised, P2CError, ServiceError, UnknownName

if TYPE_CHECKING:
    from p2c_lib.mapping import Template
    from p2c_lib.odata.auth import Credential
    from p2c_lib.session import Session

__all__ = ["check_connection"]

App = Literal["sales", "finops"]
APPS: tuple[App, ...] = ("sales", "finops")
OF_ONE = ("settings", "address", "tls", "service", "token", "identity", "entities", "rights")
OF_BOTH = tuple(step for step in TITLES if step not in OF_ONE)
NOBODY = "00000000-0000-0000-0000-000000000000"
SHOWN = 3


def check_connection(
    name: str = SANDBOX,
    *,
    workspace: Workspace | None = None,
    credential: Credential | None = None,
    tell: Callable[[Finding], None] = lambda _finding: None,
) -> ConnectionCheck:
    """Walk through a connection set from its settings to the rights of its user; reads a row here and there, no more.

    ``tell`` gets each finding as it is made. Raises UnknownName for a set that does not exist and SandboxError for a
    sandbox that does not start; every other trouble is a finding with its remedy. ``credential`` is one of
    azure-identity's, in the place of secrets.
    """
    here = workspace or current_workspace()
    if name not in here.sets:
        here.connection_set(name)
    found = []
    for finding in _walked(name, here, credential):
        tell(finding)
        found.append(finding)
    return ConnectionCheck(name, tuple(found))


def _walked(name: str, here: Workspace, credential: Credential | None) -> Iterator[Finding]:
    from p2c_lib.session import connect

    try:
        here.connection_set(name)
    except P2CError as error:
        yield Finding("settings", "", "fail", error.message.rstrip("."), error.hint or "")
        return
    with connect(name, workspace=here, credential=credential) as session:
        found = []
        for app in APPS:
            connection = getattr(session.set, app)
            for finding in _of_one(connection, session, has_credential=credential is not None):
                found.append((finding.step, finding.status))
                yield finding
        yield from _of_both(session, held=found.count(("identity", "ok")) == len(APPS))


def _of_one(connection: Connection, session: Session, *, has_credential: bool) -> Iterator[Finding]:
    """The steps of one system; those after a failure are not reached, but for the last two, which look side by side."""
    done = []
    for finding in _steps(connection, session, has_credential=has_credential):
        done.append(finding.step)
        yield finding
        if finding.status == "fail" and finding.step not in {"entities", "rights"}:
            break
    for step in OF_ONE:
        if step not in done:
            yield Finding(step, connection.app, "not reached", f"{done[-1]} comes first")


def _steps(connection: Connection, session: Session, *, has_credential: bool) -> Iterator[Finding]:
    app = connection.app
    yield _settings(connection, has_credential=has_credential)
    for looked in look(connection):
        yield Finding(looked.step, app, looked.status, looked.finding, looked.remedy)
    yield _token(connection, session)
    yield _identity(connection, session)
    yield from _sets(app, session)


def _settings(connection: Connection, *, has_credential: bool) -> Finding:
    def found(status: Status, finding: str, remedy: str = "") -> Finding:
        return Finding("settings", connection.app, status, finding, remedy)

    if (rest := urlsplit(connection.url).path) not in {"", "/"}:
        return found("fail", f"url goes on after the host: {rest}", "Write only the host; paths are added.")
    if NOBODY in {user.client_id for user in (connection, *connection.users)}:
        remedy = "Write the application (client) id of the app registration's overview."
        return found("fail", "client_id is the example's", remedy)
    try:
        ways = ["the credential given"] if has_credential else [_way(user) for user in (connection, *connection.users)]
    except ConfigError as error:
        return found("fail", error.message.rstrip("."), error.hint or "")
    told = f"{connection.url} as {connection.client_id}, {' and '.join(ways)}"
    if not has_credential and (weak := weak_secrets((connection, *connection.users))):
        return found("warn", f"{told}; {weak_said(weak)}", WEAK_REMEDY)
    return found("ok", told)


def _way(connection: Connection) -> str:
    """How a user signs in, in words without the secret. Raises ConfigError for one that cannot be read."""
    if connection.interactive:
        return "a person signs in"
    if connection.secret is None:
        raise ConfigError("No way to sign in is named.", hint="Add secret, certificate or interactive = true.")
    reference = connection.secret.reference
    if reference.lower().endswith(CERTIFICATES):
        return _certificate(Path(reference.partition(":")[2]).expanduser())
    connection.secret.reveal()
    return "the sandbox's own token" if reference == "literal" else f"secret {reference}"


def _certificate(file: Path) -> str:
    try:
        file.read_bytes()
    except OSError as error:
        hint = "Name the file with the private key and the certificate."
        raise ConfigError(f"The certificate {file} cannot be read ({error.strerror}).", hint=hint) from None
    return f"certificate {file}"


def _token(connection: Connection, session: Session) -> Finding:
    try:
        number = session.client(connection.app).sender.sign_in()
    except P2CError as error:
        return Finding("token", connection.app, "fail", error.message.rstrip("."), about_token(error))
    whom = connection.client_id if number == 1 else f"{number} users"
    return Finding("token", connection.app, "ok", f"given to {whom}")


def _identity(connection: Connection, session: Session) -> Finding:
    try:
        who = session.client(connection.app).identity()
    except P2CError as error:
        status = error.status if isinstance(error, ServiceError) else 0
        remedy = about_identity(connection, status, error)
        return Finding("identity", connection.app, "fail", error.message.rstrip("."), remedy)
    told = f"organisation {who.organisation}, user {who.user}"
    if connection.app == "finops":
        told = f"{who.organisation} lets {who.user} in; it does not tell which of its users that is"
    return Finding("identity", connection.app, "ok", told)


def _sets(app: App, session: Session) -> Iterator[Finding]:
    """Which entity sets of the tasks the system knows, and which of them its user may read."""
    try:
        wanted = _entity_sets(app, session)
    except P2CError as error:
        yield Finding("entities", app, "fail", error.message.rstrip("."), error.hint or "")
        return
    unknown, refused = [], []
    for entity in wanted:
        try:
            _read_one(app, entity, session)
        except UnknownName as error:
            unknown.append(f"{entity}{f' (is it {error.nearest}?)' if error.nearest else ''}")
        except NotAuthorised:
            refused.append(entity)
        except P2CError as error:
            yield Finding("entities", app, "unknown", f"{entity}: {error.message.rstrip('.')}", error.hint or "")
    yield _judged("entities", app, unknown, f"{len(wanted)} known", "does not know", no_entity(app))
    readable = len(wanted) - len(unknown)
    yield _judged("rights", app, refused, f"reads {readable} sets", "may not read", about_rights(app))


def _judged(step: str, app: App, bad: list[str], good: str, said: str, remedy: str) -> Finding:
    if not bad:
        return Finding(step, app, "ok", good)
    return Finding(step, app, "fail", f"{said} {', '.join(bad)}", remedy)


def _entity_sets(app: str, session: Session) -> list[str]:
    from p2c_lib.mapping import known_tasks, template_in

    here = session.workspace
    templates = [template_in(task, here) for task in known_tasks(here)]
    sides = [side for template in templates for side in (template.source, template.destination)]
    return list(dict.fromkeys(side.entity for side in sides if side.app == app))


def _read_one(app: App, entity: str, session: Session) -> None:
    from p2c_lib.frames import EntityQuery

    key = session.client(app).schema(entity).key[:1]
    session.extract(EntityQuery(app, entity, key, key), limit=1)


def _of_both(session: Session, *, held: bool) -> Iterator[Finding]:
    """What needs both systems: the templates' columns, and what preflight asks of the ground."""
    if not held:
        yield from (Finding(step, "", "not reached", "both systems come first") for step in OF_BOTH)
        return
    from p2c_lib.gates.preflight import CHECKS, preflight
    from p2c_lib.mapping import known_tasks, template_in

    try:
        templates = [template_in(task, session.workspace) for task in known_tasks(session.workspace)]
    except P2CError as error:
        yield Finding("columns", "", "fail", error.message.rstrip("."), error.hint or "")
        templates = []
    else:
        yield _columns(templates, session)
    looked = preflight(session, templates, off=set(CHECKS) - set(OF_BOTH))
    for step in OF_BOTH:
        if step in CHECKS:
            one = looked.check(step)
            status: Status = "unknown" if one.status == "off" else one.status
            yield Finding(step, "", status, one.evidence, "" if status == "ok" else one.remedy)


def _columns(templates: list[Template], session: Session) -> Finding:
    from p2c_lib.mapping.validation import validate

    wrong = [
        f"{template.task} {finding.path}: {finding.message}"
        for template in templates
        for finding in validate(template, session).findings
        if finding.level == "error"
    ]
    if not wrong:
        return Finding("columns", "", "ok", f"{len(templates)} templates fit")
    more = f", and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    remedy = "p2c template validate TASK tells each; correct the template, or install what is missing."
    return Finding("columns", "", "fail", f"{'; '.join(wrong[:SHOWN])}{more}", remedy)
