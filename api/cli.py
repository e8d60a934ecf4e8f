"""`roomlog-server`: the operator's verbs. The only reader of the environment."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from api.asgi import ROUTES
from api.check import run_check
from api.dev import DevFailed, DevOptions, run_dev
from api.document.build import build_document
from api.document.realtime import build_realtime
from api.embedded import NoServer
from api.migrate import MigrateFailed, migrate
from api.operator.commands import add_verbs
from api.serve import PortTaken, serve
from api.settings import BadSettings, MigrateSettings, Settings
from api.shipped import shipped
from api.telemetry import set_up_logs
from tenants.errors import ServiceError
from tenants.postgres import RolesMissing
from tenants.schema import SchemaMismatch

MIGRATIONS = shipped("migrations")
EXPECTED = (
    *(BadSettings, SchemaMismatch, RolesMissing, MigrateFailed),
    *(PortTaken, NoServer, DevFailed, FileNotFoundError),
)
"""What has a message of its own that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and give its exit status; what is wrong is said in one line."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except EXPECTED as error:
        print(f"roomlog-server: {error}", file=sys.stderr)  # noqa: T201
    except ServiceError as error:
        print(f"roomlog-server: {error.code}: {error}", file=sys.stderr)  # noqa: T201
    except BaseExceptionGroup as group:
        # A listener or task of the service has failed: its own log line has said how.
        print(f"roomlog-server: {group.exceptions[0]!r}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="roomlog-server", description="A multi-tenant chat API.")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    dev = verbs.add_parser("dev", help="run on private servers, migrated and seeded")
    dev.add_argument("--port", type=int, default=8080)
    dev.add_argument("--dashboard-port", type=int, help="10 below the port otherwise; 0: no dashboard")
    dev.add_argument("--data", type=Path, default=Path(".data"), help="where everything is kept")
    dev.add_argument("--workers", type=int, default=1)
    dev.add_argument("--migrations", type=Path, default=MIGRATIONS)
    dev.set_defaults(run=_dev)

    serving = verbs.add_parser("serve", help="run the service; settings come from the environment")
    serving.add_argument("--workers", type=int, help="processes; ROOMLOG_WORKERS otherwise")
    serving.set_defaults(run=_serve)

    migrating = verbs.add_parser("migrate", help="bring the database to the newest schema")
    migrating.add_argument("--folder", type=Path, default=MIGRATIONS)
    migrating.set_defaults(run=_migrate)

    checking = verbs.add_parser("check", help="check settings, PostgreSQL, Redis, schema, epoch, clocks and limits")
    checking.add_argument("--json", action="store_true", help="print JSON")
    checking.set_defaults(run=_check)

    document = verbs.add_parser("openapi", help="print the API's OpenAPI document, as openapi/openapi.json")
    document.set_defaults(run=_openapi)

    realtime = verbs.add_parser(
        "asyncapi", help="print the realtime protocol's AsyncAPI document, as openapi/asyncapi.json"
    )
    realtime.set_defaults(run=_asyncapi)

    add_verbs(verbs, lambda: Settings.read(os.environ))
    return parser


def _dev(options: argparse.Namespace) -> int:
    dashboard_port = options.port - 10 if options.dashboard_port is None else options.dashboard_port
    wish = DevOptions(options.port, dashboard_port, options.data, options.workers, options.migrations)
    return run_dev(wish, dict(os.environ))


def _serve(options: argparse.Namespace) -> int:
    environ = dict(os.environ)
    if options.workers is not None:
        environ["ROOMLOG_WORKERS"] = str(options.workers)
    settings = Settings.read(environ)
    set_up_logs(settings.log_level)
    return serve(settings, environ)


def _migrate(options: argparse.Namespace) -> int:
    settings = MigrateSettings.read(os.environ)
    migrate(settings.database_url, options.folder, settings.db_user)
    print("The database is at the newest schema.")  # noqa: T201
    return 0


def _check(options: argparse.Namespace) -> int:
    return run_check(os.environ, as_json=options.json)


def _openapi(_: argparse.Namespace) -> int:
    print(json.dumps(build_document(ROUTES), indent=2, ensure_ascii=False))  # noqa: T201
    return 0


def _asyncapi(_: argparse.Namespace) -> int:
    print(json.dumps(build_realtime(), indent=2, ensure_ascii=False))  # noqa: T201
    return 0
