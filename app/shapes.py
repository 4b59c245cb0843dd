"""The structure of a wire model, read from its annotations: which fields an object has, and where an error points.

pydantic's locations hold the tags and labels of unions between the fields of the document; a client knows only the
document.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error lies.

    Parts of its JSON pointer, fields of the object that it lies in, tags of the union that stands there, and the branch
    of an untagged union, if any.
    """

    parts: tuple[str | int, ...]
    siblings: dict[str, Any]
    tags: tuple[str, ...] = ()
    branch: tuple[tuple[str | int, ...], str] | None = None


def fields_of(kind: Any) -> dict[str, Any]:
    """Field name to annotation of a model or dataclass; empty for anything else."""
    return _fields(kind) if isinstance(kind, type) else {}


@lru_cache(maxsize=512)
def _fields(kind: type) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {}


def members_of(annotation: Any) -> list[Any]:
    """Alternatives of an annotation without None; one for everything that is no union."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for item in get_args(annotation) for member in members_of(item) if item is not type(None)]
    return [annotation]


def elements_of(kind: Any) -> list[Any]:
    """Alternatives of an element of a list or tuple; empty for everything else.

    Examples
    --------
    >>> elements_of(list[int | str]), elements_of(tuple[int, ...]), elements_of(int)
    ([<class 'int'>, <class 'str'>], [<class 'int'>], [])
    """
    return members_of(get_args(kind)[0]) if get_origin(kind) in (list, tuple) else []


def tag_of(kind: Any) -> str | None:
    """Tag of a member of a tagged union: the one value of its `method`."""
    literals = [value for member in members_of(fields_of(kind).get("method")) for value in get_args(member)]
    return literals[0] if len(literals) == 1 and isinstance(literals[0], str) else None


def locate(root: Any, location: Sequence[str | int]) -> Place:
    """Place of an error of pydantic in the document.

    Parameters
    ----------
    root : type
        Model that was validated.
    location : sequence
        `loc` of the error.
    """
    here: list[Any] = members_of(root)
    parts: list[str | int] = []
    siblings: dict[str, Any] = {}
    branch: tuple[tuple[str | int, ...], str] | None = None
    for part in location:
        fields = {name: kind for member in here for name, kind in fields_of(member).items()} if len(here) == 1 else {}
        items = [kind for member in here for kind in elements_of(member)]
        if isinstance(part, int):
            parts.append(part)
            here = items
        elif len(here) > 1:
            chosen = [member for member in here if part in (tag_of(member), getattr(member, "__name__", None))]
            branch = None if any(tag_of(member) == part for member in chosen) else (tuple(parts), str(part))
            here = chosen or [object]
        else:
            parts.append(part)
            siblings, here = fields, members_of(fields[part]) if part in fields else []
    tags = tuple(tag for member in here if (tag := tag_of(member)) is not None)
    return Place(tuple(parts), siblings, tags, branch)


@lru_cache(maxsize=32)
def homes_of(root: type) -> dict[str, list[str]]:
    """Field name to the places in the document where it exists, nearest first (`/positions/0` stands for every row)."""
    homes: dict[str, list[str]] = {}
    queue: list[tuple[str, Any, int]] = [("", root, 0)]
    for pointer, kind, depth in queue:
        for name, annotation in fields_of(kind).items():
            homes.setdefault(name, []).append(pointer or "/")
            for member in members_of(annotation) if depth < 4 else ():
                elements = elements_of(member)
                inner, suffix = elements or [member], "/0" if elements else ""
                queue += [(f"{pointer}/{name}{suffix}", item, depth + 1) for item in inner if fields_of(item)]
    return homes
