"""`trimtab audit`: the history checked, by whoever does not want to take our word for it."""

from __future__ import annotations

import typer

from app.commands.audit_commit import check_proof_command, commit_command, prove_command
from app.commands.audit_disclose import check_disclosure_command, disclose_command
from app.commands.audit_export import export_command
from app.commands.audit_key import key_command
from app.commands.audit_log_key import change_key_command, follow_key_command
from app.commands.audit_proof import proof_command
from app.commands.audit_prune import prune_command
from app.commands.audit_receipt import check_receipt_command
from app.commands.audit_replay import replay_command
from app.commands.audit_verify import verify_command
from app.commands.audit_witness import witness_command
from app.commands.console import EXIT_CODES as CONSOLE_EXIT_CODES

EXIT_CODES = (
    "Exit codes: 0 nothing is wrong · 1 evidence of tampering · 2 incomplete (bodies are pruned), or wrong usage · "
    "3 the input cannot be read · 4 unavailable (service or store)."
)

audit_commands = typer.Typer(
    help="Check the audit log: rows, receipts, recomputed answers, and heads over time.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
audit_commands.command("verify", epilog=EXIT_CODES)(verify_command)
audit_commands.command("proof", epilog=EXIT_CODES)(proof_command)
audit_commands.command("export", epilog=EXIT_CODES)(export_command)
audit_commands.command("check-receipt", epilog=EXIT_CODES)(check_receipt_command)
audit_commands.command("disclose", epilog=EXIT_CODES)(disclose_command)
audit_commands.command("check-disclosure", epilog=EXIT_CODES)(check_disclosure_command)
audit_commands.command("commit", epilog=EXIT_CODES)(commit_command)
audit_commands.command("prove", epilog=EXIT_CODES)(prove_command)
audit_commands.command("check-proof", epilog=EXIT_CODES)(check_proof_command)
audit_commands.command("replay", epilog=EXIT_CODES)(replay_command)
audit_commands.command("prune", epilog=CONSOLE_EXIT_CODES)(prune_command)
audit_commands.command("witness", epilog=EXIT_CODES)(witness_command)
audit_commands.command("key")(key_command)
audit_commands.command("change-key", epilog=CONSOLE_EXIT_CODES)(change_key_command)
audit_commands.command("follow-key", epilog=CONSOLE_EXIT_CODES)(follow_key_command)
