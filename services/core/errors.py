"""Errors of the functional core.

TrimtabError
├── InvalidInput      the caller broke a rule: names the parameter, the rule and what was found
└── Refusal           this instrument cannot be answered: a reason code, never a zero
"""

from __future__ import annotations

from services.core.outcome import Reason


class TrimtabError(Exception):
    """Base of every error that the core raises on purpose."""


class InvalidInput(TrimtabError):
    """A parameter breaks a rule.

    Parameters
    ----------
    parameter : str
        Dotted name of the parameter, as the caller knows it.
    rule : str
        The rule, in words ("must be > 0").
    found : object
        The value found; long values are cut so that hostile input cannot inflate a message.
    remedy : str, optional
        How to mend it.
    """

    def __init__(self, parameter: str, rule: str, found: object, remedy: str = "") -> None:
        self.parameter, self.rule, self.remedy = parameter, rule, remedy
        self.found = repr(found)[:80]
        super().__init__(f"{parameter} {rule}, found {self.found}" + (f": {remedy}" if remedy else ""))


class Refusal(TrimtabError):
    """One instrument cannot be answered; the rest of the portfolio goes on.

    Parameters
    ----------
    reason : Reason
        Stable code.
    detail : str
        One sentence with the figures that led to it.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")
