"""`trimtab keys`: API keys made, listed and revoked, in the database or through a running service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
import typer

from app.commands.client import connect
from app.commands.console import EXIT_CODES, ExitCode, Failure, out, reporting, table, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from app.container import Container

T = TypeVar("T")
TIMEOUT_SECONDS = 10.0
LOCAL = "local"
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z", re.ASCII)
_ENVIRONMENT = re.compile(r"[a-z0-9]{1,12}\Z", re.ASCII)
_AGE = re.compile(r"([1-9][0-9]{0,3})d\Z", re.ASCII)

keys_commands = typer.Typer(
    help="Make, list and revoke API keys. From the first one on, every caller of the service needs one.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
TenantOption = Annotated[str, typer.Option(help="Whose data the key opens; 1 to 32 of a-z, 0-9 and -.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        help="Ask this service, with TRIMTAB_API_KEY, instead of the database: an embedded file is its process's own.",
        show_default=False,
        metavar="URL",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


@keys_commands.command("create", epilog=EXIT_CODES)
def create_command(
    scope: Annotated[
        list[str], typer.Option(help="What it may do; repeat it for several, or `all`.", show_default=False)
    ],
    label: Annotated[str, typer.Option(help="Whose it is and what for.", show_default=False)],
    tenant: TenantOption = LOCAL,
    expires: Annotated[
        str | None,
        typer.Option(help="End, as 90d or an RFC 3339 time; default: until revoked.", show_default=False),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Address or network that may use it; repeatable; default: any.", show_default=False),
    ] = None,
    environment: Annotated[str, typer.Option(help="Word in the key that tells deployments apart.")] = "live",
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it: once, here, and nowhere else.

    **Examples**

    - `trimtab keys create --scope evaluate --scope observe --label "bot on desk 3" --expires 90d`

    - `trimtab keys create --tenant acme --scope all --label "acme's first" --allow 10.4.0.0/16`
    """
    with reporting(as_json):
        request: dict[str, Any] = {"label": label, "scopes": _scopes(scope), "networks": allow or []}
        if expires:
            request["expires_at"] = _end(expires)
        _show_key(_create(request, tenant, environment, url), as_json)


@keys_commands.command("bootstrap", epilog=EXIT_CODES)
def bootstrap_command(tenant: TenantOption = LOCAL, as_json: JsonOption = False) -> None:
    """Make the first key, with every scope, where there is none; where there is one, say so and do nothing.

    **Examples**

    - `trimtab keys bootstrap`
    """
    with reporting(as_json):
        request = {"label": "bootstrap", "scopes": _scopes(["all"])}

        async def first(container: Container) -> dict[str, Any] | None:
            if container.keys.any():
                return None
            return await _made(container, request, "live")

        made = _in_database(tenant, first)
        if made is not None:
            _show_key(made, as_json)
        elif as_json:
            write_json({"key": None, "created": False})
        else:
            out().print("There is an API key already; nothing was made.")


@keys_commands.command("list", epilog=EXIT_CODES)
def list_command(tenant: TenantOption = LOCAL, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List the keys of a tenant, without their secrets.

    **Examples**

    - `trimtab keys list --tenant acme`
    """
    with reporting(as_json):
        items = _listed(tenant, url)
        if as_json:
            write_json(items)
            return
        shown = table()
        for column in ("key", "label", "scopes", "addresses", "made", "ends"):
            shown.add_column(column, overflow="fold")
        for item in items:
            end = f"revoked {item['revoked_at']}" if item["revoked_at"] else item["expires_at"] or ""
            networks = ", ".join(item["networks"]) or "any"
            cells = (item["key_id"], item["label"], " ".join(item["scopes"]), networks, item["created_at"], end)
            shown.add_row(*map(str, cells))
        out().print(shown if items else "There are none.")


@keys_commands.command("revoke", epilog=EXIT_CODES)
def revoke_command(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key, key_….", show_default=False)],
    tenant: TenantOption = LOCAL,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key: it opens nothing any more, in any process after two seconds at most.

    **Examples**

    - `trimtab keys revoke key_mf76aefohabcdefg`
    """
    with reporting(as_json):
        answer = _revoked(key_id, tenant, url)
        if as_json:
            write_json(answer)
        else:
            out().print(f"{key_id} ({answer['label']}) is revoked since {answer['revoked_at']}", markup=False)


def _create(request: dict[str, Any], tenant: str, environment: str, url: str | None) -> dict[str, Any]:
    if not _ENVIRONMENT.match(environment):
        raise Failure(ExitCode.USAGE, f"--environment must be 1 to 12 of a-z and 0-9, found {environment[:40]!r}")
    if url is None:
        return _in_database(tenant, lambda container: _made(container, request, environment))
    _check_own(tenant)
    with connect(url) as client:
        answer: dict[str, Any] = client.call("POST", "/v1/keys", body=request)
        return answer


def _listed(tenant: str, url: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if url is None:
        return _in_database(tenant, _all_of)
    _check_own(tenant)
    after: str | None = ""
    with connect(url) as client:
        while after is not None:
            page = client.call("GET", "/v1/keys", params={"after": after} if after else {})
            found, after = found + page["items"], page["next"]
    return found


async def _all_of(container: Container) -> list[dict[str, Any]]:
    from app.usecases.keys import key_fields

    return [key_fields(key) for key in await container.keys.list(container.tenant_id, after=None, limit=100_000)]


def _revoked(key_id: str, tenant: str, url: str | None) -> dict[str, Any]:
    if url is not None:
        _check_own(tenant)
        with connect(url) as client:
            answer: dict[str, Any] = client.call("DELETE", f"/v1/keys/{key_id}")
            return answer

    async def end(container: Container) -> dict[str, Any]:
        from app.usecases.call import Call
        from app.usecases.keys import revoke_key

        call = Call(b"trimtab keys revoke " + key_id.encode(), None, None, container.clock.now(), TIMEOUT_SECONDS)
        answer: dict[str, Any] = orjson.loads((await revoke_key(container, call, key_id, None)).body)
        return answer

    return _in_database(tenant, end)


async def _made(container: Container, request: dict[str, Any], environment: str) -> dict[str, Any]:
    from app.usecases.call import Call
    from app.usecases.keys import create_key

    call = Call(orjson.dumps(request), request, None, container.clock.now(), TIMEOUT_SECONDS)
    made: dict[str, Any] = orjson.loads((await create_key(container, call, None, environment)).body)
    return made


def _in_database(tenant: str, act: Callable[[Container], Coroutine[Any, Any, T]]) -> T:
    """Do something with the stores of the settings, on behalf of a tenant."""
    from pydantic import ValidationError

    from app.adapters.database_url import DatabaseUnreachable
    from app.adapters.file_lock import DatabaseInUse
    from app.adapters.schema import SchemaMismatch
    from app.adapters.secret_file import SecretRefused
    from app.lifespan import open_container
    from app.ports import AuditUnavailable
    from app.problems import RequestProblem
    from app.validation import broken_rules
    from models.api.key import CreateKeyRequest
    from services.core.errors import InvalidInput

    if not _TENANT.match(tenant):
        raise Failure(ExitCode.USAGE, f"--tenant must be 1 to 32 of a-z, 0-9 and -, found {tenant[:40]!r}")
    settings = replace(settings_of({}), redis_url=None, workers=1)
    if settings.key_pepper_path is None:
        text = "Name a file in TRIMTAB_KEY_PEPPER_FILE, the same for all processes of this database"
        raise Failure(ExitCode.USAGE, "There is no place for the pepper of API keys", text)

    async def run() -> T:
        async with open_container(settings) as container:
            return await act(container.of(tenant))

    try:
        return asyncio.run(run())
    except DatabaseInUse as error:
        remedy = "Ask that service: --url http://127.0.0.1:8000, with TRIMTAB_API_KEY once there are keys."
        raise Failure(ExitCode.UNAVAILABLE, "A service has the embedded database", str(error), remedy) from None
    except (DatabaseUnreachable, SchemaMismatch, SecretRefused, OSError) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The keys cannot be reached", str(error)) from None
    except AuditUnavailable as error:
        raise Failure(ExitCode.UNAVAILABLE, "The keys cannot be changed", error.detail) from None
    except ValidationError as error:
        rules, _ = broken_rules(error, CreateKeyRequest)
        errors = [(rule.pointer, rule.detail) for rule in rules]
        raise Failure(ExitCode.REFUSED, "The key breaks a rule", errors=errors) from None
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "The key breaks a rule", str(error)) from None
    except RequestProblem as problem:
        raise Failure(ExitCode.REFUSED, problem.kind.title, problem.detail, problem.kind.remedy) from None


def _check_own(tenant: str) -> None:
    if tenant != LOCAL:
        raise Failure(
            ExitCode.USAGE, "--tenant does not go with --url", "A service acts for the tenant of TRIMTAB_API_KEY only."
        )


def _scopes(given: list[str]) -> list[str]:
    from app.caller import Scope

    return [scope.value for scope in Scope] if given == ["all"] else given


def _end(text: str) -> str:
    if (days := _AGE.match(text)) is not None:
        return (datetime.now(UTC) + timedelta(days=int(days[1]))).isoformat(timespec="seconds")
    return text


def _show_key(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(answer)
        return
    console = out()
    console.print(answer["key"], markup=False, soft_wrap=True)
    console.print(
        f"{answer['key_id']} for tenant {answer['tenant_id']}: {' '.join(answer['scopes'])}. Keep the line above: it "
        "is stored nowhere, and not shown again.",
        markup=False,
    )
