"""How a log comes to another key: a statement that names both, signed by both.

::

    trimtab/log-key/v1                                  heading
    risk.example/log1                                   origin
    risk.example/log1+0ab1c2d3+AY…                      former key
    risk.example/log1+94e5f607+AY…                      key from now on
                                                        (an empty line)
    — risk.example/log1 CrHC0w…                         signature of the former key
    — risk.example/log1 lOX2B0…                         signature of the new one

Whoever trusts the former key learns the new one from it, without asking the service. The signature of the new key shows
that its holder agrees. No checkpoint reads like it: the second line of one is a number.

References
----------
C2SP signed-note v1.0.0 (form); the statement is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from services.audit.note import ED25519, Check, Note, Sign, VerifierKey, signature
from services.core.errors import InvalidInput

KIND = "log_key"
"""Kind of the entry that holds such a statement as its answer."""
HEADING = "trimtab/log-key/v1"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """From `former` to `key`: Ed25519 keys under the name of one log."""

    former: VerifierKey
    key: VerifierKey

    def __post_init__(self) -> None:
        if {self.former.kind, self.key.kind} != {ED25519}:
            raise InvalidInput("key", "must be of Ed25519, as the former one", self.key.kind)
        if self.former.name != self.key.name:
            raise InvalidInput("key", f"must have the name {self.former.name} of the log", self.key.name)
        if self.former == self.key:
            raise InvalidInput("key", "must be another than the former one", self.key.text())

    def text(self) -> str:
        """The statement."""
        return f"{HEADING}\n{self.former.name}\n{self.former.text()}\n{self.key.text()}\n"

    def signed(self, former: Sign, key: Sign) -> str:
        """The statement as a note with both signatures."""
        text = self.text()
        return Note(text, (signature(self.former, former, text), signature(self.key, key, text))).encoded()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The change that a statement names.

        Raises
        ------
        InvalidInput
            If it is none.
        """
        lines = text.split("\n")
        if len(lines) != 5 or lines[0] != HEADING or lines[4]:
            raise InvalidInput("statement", f"must be {HEADING}, an origin and two keys, a line each", text[:200])
        change = cls(VerifierKey.parse(lines[2]), VerifierKey.parse(lines[3]))
        if change.text() != text:
            raise InvalidInput("statement", "must name the origin of its keys", lines[1])
        return change


def followed(note: str, former: VerifierKey, check: Check) -> VerifierKey:
    """Key of a log after a change, for whoever trusts the former one.

    Raises
    ------
    InvalidInput
        If the note is none, is of another key, or lacks a valid signature of either.
    """
    parsed = Note.parse(note)
    change = KeyChange.parse(parsed.text)
    if change.former != former:
        raise InvalidInput("statement", f"must be of the key {former.text()}", change.former.text())
    for key in (former, change.key):
        if not parsed.signed_by(key, check):
            raise InvalidInput("statement", f"must carry a valid signature of {key.text()}", note[:200])
    return change.key
