"""What a witness does before it signs a head: every entry since its last one hashed, chained, and computed again.

It signs only what it recomputed. What it cannot judge, it does not sign either, unless its operator accepts that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from app.log_ports import SpanSource
from app.usecases.replay_log import Different, Judged, Verdict, judge_row
from services.audit.note import Checkpoint
from services.audit.span import SpanCheck
from services.audit.verify import Finding

UNJUDGED = (Verdict.OTHER_BUILD, Verdict.NO_BODY)
"""Kinds that an operator may accept: a witness that does signs less than that it recomputed all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What a witness found between two heads.

    Parameters
    ----------
    counts : dict
        Entries by verdict.
    different : tuple of Different
        Answers that come out otherwise.
    unjudged : tuple of int
        Indices of entries that it could not judge and whose kind is not accepted.
    findings : tuple of Finding
        Entries, bodies or hashes that are not those of the head.
    """

    entries: int
    counts: dict[Verdict, int]
    different: tuple[Different, ...]
    unjudged: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether the head may be signed."""
        return not (self.different or self.unjudged or self.findings)


@dataclass(slots=True)
class _Found:
    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    different: list[Different] = field(default_factory=list)
    unjudged: list[int] = field(default_factory=list)


def recompute_span(
    source: SpanSource,
    before: Checkpoint | None,
    head: Checkpoint,
    *,
    accept: Collection[Verdict] = (),
    advance: Callable[[int, int], None],
) -> Witnessed:
    """Check the entries after a head that was signed before, up to one that is to be signed.

    Parameters
    ----------
    source : SpanSource
        Begins where `before` ends, or earlier; ends with the head.
    before : Checkpoint, optional
        Last head that the witness signed; None: it has signed none and begins with the first entry.
    accept : collection of Verdict
        Of `UNJUDGED`: entries that do not keep it from signing.
    advance : callable
        Told (entries checked, entries in all).
    """
    span, since = source.span, before.size if before is not None else 0
    check = SpanCheck(head.origin, span.before, [before] if before is not None and since else [])
    found = _Found()
    for finding in source.damaged():
        check.report(finding.index, finding.what)
    if span.first > since:
        check.report(None, f"entries {since} to {span.first - 1}, which nobody recomputed yet, are not there")
    for rows in source.rows():
        for row, said in zip(rows, check.add(rows), strict=False):
            if row.index < since or (said is None and row.entry is not None):
                continue
            judged = judge_row(row, said) if said is not None else Judged(Verdict.NO_BODY)
            found.counts[judged.verdict] += 1
            if judged.verdict is Verdict.DIFFERENT:
                event_id = said["id"] if said is not None else ""
                found.different.append(Different(row.index, event_id, judged.pointers))
            elif judged.verdict in UNJUDGED and judged.verdict not in accept:
                found.unjudged.append(row.index)
        advance(check.frontier.size - span.first, span.end - span.first)
    check.close(head.size, head, ())
    return Witnessed(
        entries=head.size - since,
        counts=found.counts,
        different=tuple(found.different),
        unjudged=tuple(found.unjudged),
        findings=tuple(check.findings),
    )
