"""Write the models of the Python client from the service's own contract.

``python -m scripts.client_models`` reads ``tests/contract/openapi.json`` and the states of the stream, and writes
``clients/python/src/trimtab_client/models.py``; ``--check`` only says whether it is current.  The generator is
datamodel-code-generator; what it is given first loses what the service alone judges (bounds, patterns, lengths,
unknown members, defaults of requests), so that a refusal is the service's, with its text, an older client does not
refuse what a newer service takes, and a default is written down once.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from models.api.base import DECIMAL_PATTERN
from models.api.stream import DATA

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "tests" / "contract" / "openapi.json"
MODELS = ROOT / "clients" / "python" / "src" / "trimtab_client" / "models.py"
DECIMAL = "trimtab_client.decimals.PlainDecimal"
ANSWERED_DECIMAL = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
SENT_DECIMAL = {"anyOf": [{"type": "string", "pattern": DECIMAL_PATTERN}, {"type": "number"}]}
JUDGED_BY_THE_SERVICE = frozenset(
    [
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minProperties",
        "maxProperties",
        "additionalProperties",
        "title",
        "examples",
    ]
)
HEADER = '''"""Bodies of the service, written by scripts/client_models.py from its OpenAPI description: do not edit."""
'''


def schemas(contract: dict[str, Any]) -> dict[str, Any]:
    """What the generator is given: the schemas alone, without rules, decimals named."""
    sent, known = _sent(contract), contract["components"]["schemas"]
    wanted = {
        name: _mild(_without_defaults(schema) if name in sent else schema)
        for name, schema in (known | _published(known)).items()
    }
    return {
        "openapi": contract["openapi"],
        "info": {"title": "Trimtab", "version": "1"},
        "paths": {},
        "components": {"schemas": wanted},
    }


def _published(known: dict[str, Any]) -> dict[str, Any]:
    """Schemas of the states of the stream that REST does not answer; what they are made of is the same there."""
    states = [(model, "serialization") for model, _ in DATA.values()]
    _, made = models_json_schema(states, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    parts = {name: schema for name, schema in made["$defs"].items() if name in known}
    for name, schema in parts.items():
        if schema.get("properties", {}).keys() != known[name].get("properties", {}).keys():
            raise ValueError(f"{name} is not the same in REST and in the stream: give one of them another name")
    return {name: schema for name, schema in made["$defs"].items() if name not in known}


def _sent(contract: dict[str, Any]) -> set[str]:
    """Names of the schemas that requests reach."""
    bodies = [method.get("requestBody") for path in contract["paths"].values() for method in path.values()]
    waiting, found = _references(bodies), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= _references(contract["components"]["schemas"][name])
    return found


def _references(part: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part)))


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Optional members may be left out, and only the service knows what that means; the tag of a method stays."""
    if "properties" not in schema:
        return schema
    return schema | {"properties": {name: _left_out(member) for name, member in schema["properties"].items()}}


def _left_out(member: dict[str, Any]) -> dict[str, Any]:
    if "default" not in member or "const" in member:
        return member
    described = {"description": member["description"]} if "description" in member else {}
    kept = {name: value for name, value in member.items() if name not in ("default", "description")}
    return {"anyOf": [kept, {"type": "null"}], "default": None, **described}


def _mild(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_mild(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("anyOf") == SENT_DECIMAL["anyOf"] or ANSWERED_DECIMAL.items() <= schema.items():
        kept = {name: schema[name] for name in ("description", "default") if name in schema}
        return {"type": "string", "customTypePath": DECIMAL, **kept}
    return {name: _mild_member(name, value) for name, value in schema.items() if not _dropped(name, value)}


def _dropped(keyword: str, value: Any) -> bool:
    """A map of names to schemas stays (`additionalProperties: {…}`); a rule goes."""
    return keyword in JUDGED_BY_THE_SERVICE and not (keyword == "additionalProperties" and isinstance(value, dict))


def _mild_member(keyword: str, value: Any) -> Any:
    if keyword == "properties":  # names, not keywords
        return {name: _mild(schema) for name, schema in value.items()}
    return value if keyword in ("discriminator", "enum", "const", "default") else _mild(value)


def generate() -> str:
    """Text of the module."""
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder) / "schemas.json", Path(folder) / "models.py"
        given.write_text(json.dumps(schemas(json.loads(CONTRACT.read_text()))))
        command = [sys.executable, "-m", "datamodel_code_generator", "--input", str(given), "--output", str(written)]
        options = "--input-file-type openapi --openapi-scopes schemas --output-model-type pydantic_v2.BaseModel"
        options += " --target-python-version 3.11 --base-class trimtab_client.base.Model --enum-field-as-literal all"
        options += " --use-annotated --use-union-operator --use-standard-collections --use-schema-description"
        options += " --use-field-description --use-one-literal-as-default --strict-nullable --collapse-root-models"
        options += " --disable-timestamp --formatters builtin"
        subprocess.run([*command, *options.split()], check=True)
        return HEADER + _mended(written.read_text())


def _mended(text: str) -> str:
    text = re.sub(r"\A(#.*\n)+\n*", "\n", text)
    text = re.sub(r"\n    model_config = ConfigDict\(\n        arbitrary_types_allowed=True,\n    \)", "", text)
    text = re.sub(r"(PlainDecimal(?: \| None)?) = '([0-9.]+)'", r'\1 = Decimal("\2")', text)
    return text.replace("from typing import", "from decimal import Decimal\nfrom typing import", 1).replace(
        "AwareDatetime, ConfigDict, Field", "AwareDatetime, Field", 1
    )


def formatted(text: str) -> str:
    """The module as the project's linter and formatter leave it."""
    return _ruff(["format"], _ruff(["check", "--fix", "--quiet", "--exit-zero"], text))


def _ruff(command: list[str], text: str) -> str:
    arguments = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(MODELS), "-"]
    return subprocess.run(arguments, input=text, text=True, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout


def main(arguments: list[str]) -> int:
    text = formatted(generate())
    if "--check" in arguments:
        current = MODELS.exists() and MODELS.read_text() == text
        print("current" if current else f"{MODELS.relative_to(ROOT)} is not what the contract gives", file=sys.stderr)
        return 0 if current else 1
    MODELS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
