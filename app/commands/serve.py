"""`trimtab serve` and `trimtab migrate`: what an operator runs."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.console import ExitCode, Failure, out, reporting, write_json

if TYPE_CHECKING:
    from app.settings import Settings


def serve_command(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on [TRIMTAB_HOST, 127.0.0.1].", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [TRIMTAB_PORT, 8000].", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that share the port [TRIMTAB_WORKERS, 1].", show_default=False),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(help="Directory of the embedded database [TRIMTAB_DATA_DIR, .run].", show_default=False),
    ] = None,
) -> None:
    """Serve the API until interrupted; the console is at /, the explorer at /docs.

    Without `DATABASE_URL` the audit log is a SQLite file in the data directory, without `REDIS_URL` volatility states
    live in this process. An option wins over its environment variable. Several workers need both; each has its own
    `/metrics`, so where they are scraped run one process per port instead.

    **Examples**

    - `trimtab serve`

    - `trimtab serve --port 9000 --data-dir /var/lib/trimtab`

    - `DATABASE_URL=postgresql://risk@db/risk REDIS_URL=redis://cache trimtab serve`
    """
    with reporting(as_json=False):
        given = {
            "TRIMTAB_HOST": host,
            "TRIMTAB_PORT": port,
            "TRIMTAB_WORKERS": workers,
            "TRIMTAB_DATA_DIR": data_dir,
        }
        settings = settings_of(given)
        # What is imported lives as long as the process: collections find nothing, and take a tenth of the start.
        gc.disable()
        try:
            from app.server import serve
        finally:
            gc.enable()

        if settings.workers > 1:
            _prepare_workers(settings, given)
        serve(settings)


def _prepare_workers(settings: Settings, given: Mapping[str, object]) -> None:
    """Hand the options on by the environment, and refuse once what every worker would refuse again and again."""
    from app.adapters.database_url import DatabaseUnreachable
    from app.adapters.log_key import LogKeyRefused
    from app.adapters.schema import SchemaMismatch, require_schema
    from app.adapters.secret_file import SecretRefused
    from app.lifespan import OpenToStrangers, check_reach, open_container

    os.environ.update({name: str(value) for name, value in given.items() if value is not None})

    async def check() -> None:
        async with open_container(replace(settings, redis_url=None, workers=1)) as container:
            check_reach(container)

    try:
        require_schema(settings.audit_url)
        asyncio.run(check())
    except (DatabaseUnreachable, SchemaMismatch, LogKeyRefused, SecretRefused, OpenToStrangers) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The service cannot start", str(error)) from None


def settings_of(options: Mapping[str, object]) -> Settings:
    """Settings of the environment, overridden by the options that are given.

    Raises
    ------
    Failure
        Naming the variable, the rule and the value found.
    """
    from app.settings import SettingError, Settings

    given = {name: str(value) for name, value in options.items() if value is not None}
    try:
        return Settings.from_mapping({**os.environ, **given})
    except SettingError as error:
        raise Failure(ExitCode.USAGE, str(error)) from None


def migrate_command(
    database_url: Annotated[
        str | None,
        typer.Option(help="Database to migrate [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Also make the roles tt_owner, tt_app, tt_retention and tt_reader (PostgreSQL)."),
    ] = False,
    app_url: Annotated[
        str | None,
        typer.Option(
            envvar="APP_DATABASE_URL",
            help="With --roles: URL that the service will have; its login is made, a member of tt_app alone.",
            show_default=False,
            metavar="URL",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the revisions as JSON.")] = False,
) -> None:
    """Bring the schema of the audit database to this version: before the first start on PostgreSQL, after an update.

    Several at once take turns; a schema that is current is left alone. With `--roles` the tables go to `tt_owner`,
    which nobody can log in as; the service then needs a login that is a member of `tt_app`. Where the roles exist,
    every migration grants anew.

    **Examples**

    - `trimtab migrate`

    - `trimtab migrate --database-url postgresql://risk@db/risk`

    - `APP_DATABASE_URL=postgresql://service:secret@db/risk trimtab migrate --roles`
    """
    with reporting(as_json):
        from app.adapters.database_url import DatabaseUnreachable
        from app.adapters.schema import SchemaMismatch, migrate
        from app.redaction import redact

        url = settings_of({"DATABASE_URL": database_url}).audit_url
        try:
            before = migrate(url)
            granted = _grant(url, app_url, wanted=roles)
        except DatabaseUnreachable as error:
            raise Failure(ExitCode.UNAVAILABLE, "The database cannot be used", str(error)) from None
        except SchemaMismatch as error:
            raise Failure(ExitCode.REFUSED, "The schema cannot be migrated", str(error)) from None
        if as_json:
            write_json(
                {
                    "database": redact(url),
                    "from": before.found,
                    "to": before.needed,
                    "changed": before.found != before.needed,
                    "roles": granted,
                }
            )
        else:
            change = "is current" if before.found == before.needed else f"migrated from {before.found or 'nothing'}"
            owned = ", roles are granted" if granted else ""
            out().print(f"{redact(url)}: revision {before.needed}, {change}{owned}", markup=False)


def _grant(url: str, app_url: str | None, *, wanted: bool) -> bool:
    from app.adapters.database_url import InvalidDatabaseUrl, PostgresUrl, parse_database_url
    from app.adapters.postgres_roles import RolesRefused, make_roles, roles_made

    target = parse_database_url(url)
    if not isinstance(target, PostgresUrl):
        if wanted:
            raise Failure(ExitCode.USAGE, "--roles goes with a PostgreSQL database: a file has no roles")
        return False
    if not wanted and not roles_made(target):
        return False
    try:
        service = parse_database_url(app_url) if app_url is not None else None
    except InvalidDatabaseUrl as error:
        raise Failure(ExitCode.USAGE, "--app-url is no URL of a database", str(error)) from None
    if service is not None and not isinstance(service, PostgresUrl):
        raise Failure(ExitCode.USAGE, "--app-url must be a PostgreSQL URL")
    try:
        make_roles(target, service)
    except RolesRefused as error:
        raise Failure(ExitCode.REFUSED, "The roles cannot be made", str(error)) from None
    return True
