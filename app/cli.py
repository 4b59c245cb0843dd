"""`trimtab`: the command line. Commands live in `app.commands`; each imports what is heavy when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.audit import audit_commands
from app.commands.backtest import backtest_command
from app.commands.catalog import catalog_command
from app.commands.check_policy import check_policy_command, compare_policies_command
from app.commands.console import EXIT_CODES
from app.commands.demo import demo_command
from app.commands.diff import diff_command
from app.commands.evaluate import evaluate_command
from app.commands.fit import fit_command
from app.commands.keys import keys_commands
from app.commands.margin_backtest import margin_backtest_command
from app.commands.margin_frontier import margin_frontier_command
from app.commands.observe import observe_command
from app.commands.permit import permit_commands
from app.commands.policy import policy_commands
from app.commands.scorecard import scorecard_command
from app.commands.serve import migrate_command, serve_command
from app.commands.state import state_commands

application = typer.Typer(
    name="trimtab",
    help="Target sizes, margin and hedge orders for trading bots, each number with its reason and a durable record.\n\n"
    "Start with `trimtab demo`, then `trimtab serve` and http://127.0.0.1:8000/docs.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from app.commands.console import out
        from app.version import ENGINE_VERSION

        out().print(f"trimtab {ENGINE_VERSION}")
        raise typer.Exit


@application.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


application.command("serve", epilog=EXIT_CODES)(serve_command)
application.command("demo", epilog=EXIT_CODES)(demo_command)
application.command("evaluate", epilog=EXIT_CODES)(evaluate_command)
application.command("backtest", epilog=EXIT_CODES)(backtest_command)
application.command("margin-backtest", epilog=EXIT_CODES)(margin_backtest_command)
application.command("margin-frontier", epilog=EXIT_CODES)(margin_frontier_command)
application.command("scorecard", epilog=EXIT_CODES)(scorecard_command)
application.command("observe", epilog=EXIT_CODES)(observe_command)
application.command("fit", epilog=EXIT_CODES)(fit_command)
application.add_typer(state_commands, name="state", epilog=EXIT_CODES)
application.add_typer(audit_commands, name="audit")
application.add_typer(permit_commands, name="permit")
application.add_typer(keys_commands, name="keys")
application.add_typer(policy_commands, name="policy")
application.command("diff", epilog=EXIT_CODES)(diff_command)
application.command("check-policy", epilog=EXIT_CODES)(check_policy_command)
application.command("compare-policies", epilog=EXIT_CODES)(compare_policies_command)
application.command("catalog", epilog=EXIT_CODES)(catalog_command)
application.command("migrate", epilog=EXIT_CODES)(migrate_command)


def main() -> None:
    """Entry point of the console script."""
    application(prog_name="trimtab")


if __name__ == "__main__":
    main()
