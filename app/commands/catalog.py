"""`trimtab catalog`: every method with its parameters."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from app.commands.console import ExitCode, Failure, out, reporting, table, write_json

NameArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Show one method, or all methods of one block, in full.", show_default=False),
]


def catalog_command(
    name: NameArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print GET /v1/catalog, or the methods named.")] = False,
) -> None:
    """List every method of a policy, a grid, a schedule, a vault: parameters with bounds and units, needs, sources.

    **Examples**

    - `trimtab catalog`

    - `trimtab catalog volatility_target`

    - `trimtab catalog --json | jq '.blocks[].methods[].method'`
    """
    with reporting(as_json):
        from app.catalog import catalog

        found = catalog()
        methods = methods_named(found, name) if name else []
        if as_json:
            write_json(methods if name else found)
            return
        for method in methods:
            show_method(method)
        if not name:
            show_catalog(found)


def methods_named(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Methods of this name, or of the block of this name; each with its block."""
    blocks = [*found["blocks"], *found["tools"]]
    methods = [{"block": block["block"], **method} for block in blocks for method in block["methods"]]
    named = [method for method in methods if name in (method["method"], method["block"])]
    if not named:
        known = sorted({name for method in methods for name in (method["method"], method["block"]) if name})
        raise Failure(ExitCode.USAGE, f"There is no method and no block {name!r}", f"Known: {', '.join(known)}")
    return named


def show_catalog(found: dict[str, Any]) -> None:
    """One line per method."""
    rows = table(f"Blocks and methods, defaults version {found['defaults_version']}")
    for heading in ("block", "method", "parameters", "what it does"):
        rows.add_column(heading)
    for block in [*found["blocks"], *found["tools"]]:
        for method in block["methods"]:
            is_default = not block["required"] and method["method"] == block["default_method"]
            title = f"[bold]{escape(method['method'] or '')}[/]{' [dim](default)[/]' if is_default else ''}"
            parameters = ", ".join(map(_parameter, method["parameters"]))
            rows.add_row(block["block"], title, escape(parameters), escape(method["summary"]))
    console = out()
    console.print(rows)
    presets = ", ".join(f"{item['preset']}@{item['version']}" for item in found["presets"])
    console.print(f"Presets: {presets}. One in full: trimtab catalog NAME", markup=False)


def show_method(method: dict[str, Any]) -> None:
    """Everything about one method."""
    console = out()
    title = f"{method['block']}: {method['method']}" if method["method"] else method["block"]
    console.print(f"[bold]{escape(title)}[/] — {escape(method['summary'])}")
    if method["description"]:
        console.print(paragraphs(method["description"]), markup=False)
    rows = table()
    for heading in ("parameter", "default", "bounds", "unit", "meaning"):
        rows.add_column(heading, overflow="fold")
    for item in method["parameters"]:
        default = "required" if item["required"] else _value(item["default"])
        cells = (item["name"], default, bounds_text(item), item["unit"] or "", item["description"])
        rows.add_row(*map(escape, cells))
    if method["parameters"]:
        console.print(rows)
    for heading in ("requires", "notes", "references"):
        content = method[heading]
        if content:
            text = ", ".join(content) if isinstance(content, list) else paragraphs(content)
            console.print(f"[bold]{heading.capitalize()}[/]: {escape(text)}")


def paragraphs(text: str) -> str:
    r"""Text with its lines joined; paragraphs stay apart.

    Examples
    --------
    >>> paragraphs("one\n  line\n\nanother")
    'one line\n\nanother'
    """
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def bounds_text(item: dict[str, Any]) -> str:
    """Bounds of a parameter.

    Examples
    --------
    >>> bounds_text({"exclusive_minimum": 0.0, "maximum": 10.0}), bounds_text({"choices": ["a", "b"]})
    ('> 0, <= 10', 'a | b')
    """
    signs = {"exclusive_minimum": ">", "minimum": ">=", "exclusive_maximum": "<", "maximum": "<="}
    bounds = ", ".join(f"{sign} {item[name]:g}" for name, sign in signs.items() if name in item)
    return bounds or " | ".join(map(str, item.get("choices", ())))


def _parameter(item: dict[str, Any]) -> str:
    return str(item["name"]) if item["required"] else f"{item['name']}={_value(item['default'])}"


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_value(part)}" for name, part in value.items() if part is not None) + "}"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
