"""The catalogue of methods, read from the parameter objects themselves: fields, bounds, defaults, docstrings.

Adding a method to a registry adds it here; nothing is written twice.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from app.shapes import elements_of, fields_of, members_of, tag_of
from app.version import ENGINE_VERSION
from models.api.grid import GridRequest
from models.api.option_surface import SurfaceRequest
from models.api.policy import PRESETS, PolicyIn
from models.api.schedule import ScheduleRequest
from models.api.vault import VaultRequest
from services.engine.policy import DEFAULTS_VERSION

_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
_PARAMETER = re.compile(r"^(\w[\w, ]*) : .*$", re.MULTILINE)
_UNIT = re.compile(r"\[([^\]]{1,40})\]")
_BOUNDS = {
    annotated_types.Gt: ("gt", "exclusive_minimum"),
    annotated_types.Ge: ("ge", "minimum"),
    annotated_types.Lt: ("lt", "exclusive_maximum"),
    annotated_types.Le: ("le", "maximum"),
}
TOOLS = (
    (GridRequest, "spacing"),
    (ScheduleRequest, "schedule"),
    (VaultRequest, "vault"),
    (SurfaceRequest, "surface"),
)
"""Tagged objects outside of a policy."""
_NAMES = {float: "number", int: "integer", bool: "boolean", str: "string"}


@lru_cache(maxsize=1)
def catalog() -> dict[str, Any]:
    """Every block of a policy and of the other tools, with its methods."""
    blocks = [_block(name, info) for name, info in PolicyIn.model_fields.items() if name not in ("preset", "version")]
    presets = [{"preset": name, "version": version, "policy": fields} for (name, version), fields in PRESETS.items()]
    tools = [_block(name, model.model_fields[name]) for model, name in TOOLS]
    return {
        "engine": ENGINE_VERSION,
        "defaults_version": DEFAULTS_VERSION,
        "presets": presets,
        "blocks": blocks,
        "tools": tools,
    }


def _block(name: str, info: FieldInfo) -> dict[str, Any]:
    default = None if info.is_required() else tag_of(type(info.default))
    kinds = [kind for member in members_of(info.annotation) for kind in elements_of(member) or [member]]
    methods = [_method(kind) for kind in kinds]
    return {"block": name, "required": info.is_required(), "default_method": default, "methods": methods}


def _method(kind: type) -> dict[str, Any]:
    sections = documentation(kind)
    described = parameter_texts(sections.get("Parameters", ""))
    summary, _, rest = sections[""].partition("\n\n")
    return {
        "method": tag_of(kind),
        "summary": _joined(summary),
        "description": rest.strip(),
        "requires": sorted(getattr(kind, "requires", ())),
        "parameters": [
            _parameter(kind, field, described) for field in dataclasses.fields(kind) if field.name != "method"
        ],
        "notes": sections.get("Notes"),
        "references": sections.get("References"),
    }


def _parameter(kind: type, field: dataclasses.Field[Any], described: dict[str, str]) -> dict[str, Any]:
    annotation = fields_of(kind)[field.name]
    members = members_of(annotation)
    text = described.get(field.name, "")
    unit = _UNIT.search(text)
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    out: dict[str, Any] = {
        "name": field.name,
        "type": _type_name(members),
        "required": required,
        "default": None if required else _plain(field.default),
        "description": text,
        "unit": unit[1] if unit else None,
        **_bounds(annotation),
    }
    if choices := [value for member in members for value in get_args(member) if get_origin(member) is Literal]:
        out["choices"] = choices
    kinds = [kind for member in members for kind in elements_of(member) or [member]]
    if methods := [_method(kind) for kind in kinds if isinstance(kind, type) and fields_of(kind)]:
        out["methods"] = methods
    return out


def _type_name(members: list[Any]) -> str:
    if any(elements_of(member) for member in members):
        return "array"
    if any(dataclasses.is_dataclass(member) for member in members):
        return "object"
    if any(get_origin(member) is Literal for member in members):
        return "string"
    if any(get_origin(member) is tuple for member in members):
        return "list"
    return " or ".join(dict.fromkeys(_NAMES.get(member, "string") for member in members))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value.value if isinstance(value, enum.Enum) else value


def _bounds(annotation: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in _annotations(annotation):
        for kind, (attribute, name) in _BOUNDS.items():
            if isinstance(part, kind):
                found[name] = float(getattr(part, attribute))
    return found


def _annotations(annotation: Any) -> list[Any]:
    own = list(getattr(annotation, "__metadata__", ()))
    inner = [item for part in get_args(annotation) if not isinstance(part, str) for item in _annotations(part)]
    return own + inner if get_origin(annotation) is not Literal else []


def documentation(kind: type) -> dict[str, str]:
    """Sections of the docstring of a parameter object; what it leaves to the one that it extends is taken from there.

    Examples
    --------
    >>> from services.hedging.triggers.threshold import Threshold
    >>> sorted(parameter_texts(documentation(Threshold)["Parameters"]))[:3]
    ['instrument', 'max_delta', 'max_gamma_drift']
    """
    texts = [owner.__dict__["__doc__"] for owner in kind.__mro__ if dataclasses.is_dataclass(owner)]
    found = docstring_sections(inspect.cleandoc(texts[0] or ""))
    for text in texts[1:]:
        extended = docstring_sections(inspect.cleandoc(text or ""))
        both = [item.get("Parameters", "") for item in (extended, found)]
        head = found[""] if "\n\n" in found[""] else found[""] + extended[""][len(extended[""].partition("\n\n")[0]) :]
        found = {**extended, **found, "Parameters": "\n".join(filter(None, both)), "": head}
    return found


def docstring_sections(text: str) -> dict[str, str]:
    """Sections of a numpydoc docstring; the text before the first is under the empty name.

    Examples
    --------
    >>> docstring_sections("Twice as much.\\n\\nNotes\\n-----\\nDangerous.")
    {'': 'Twice as much.', 'Notes': 'Dangerous.'}
    """
    pieces = _SECTION.split(text)
    return {
        "": pieces[0].strip(),
        **{name: body.strip() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)},
    }


def parameter_texts(section: str) -> dict[str, str]:
    """Name to description of a numpydoc section of parameters.

    Examples
    --------
    >>> parameter_texts('half_life : float\\n    Age [bars].\\nlow, high : float\\n    Bounds.')
    {'half_life': 'Age [bars].', 'low': 'Bounds.', 'high': 'Bounds.'}
    """
    pieces = _PARAMETER.split(section)
    pairs = zip(pieces[1::2], pieces[2::2], strict=True)
    return {name.strip(): _joined(body) for names, body in pairs for name in names.split(",")}


def _joined(text: str) -> str:
    return " ".join(text.split())
