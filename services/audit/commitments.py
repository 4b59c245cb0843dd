"""Committed figures of recorded answers, and proofs of bounds on their sums. Experimental: see `pedersen`.

::

    figure     gross_exposure, or a number at answer:/pointer or request:/pointer
    units      the figure over a unit, rounded up or down to a whole number
    document   entry and receipt, commitments to figures; signed by the key of the log over
               "trimtab/commitments/v1" ‖ 0x0A ‖ canonical JSON of the digest of the entry and the commitments
    claim      Σ kⱼ · figureⱼ <= bound, over documents of one log, in one unit
    proof      a range proof of bound − Σ kⱼ · figureⱼ, whose commitment anybody can add up

The log says by its signature that each commitment holds the figure of that entry; the holder of the openings proves
bounds to a stranger, who learns the claim and nothing more. What a claim bounds from above must be rounded up, what it
subtracts down, so that what is proved of whole units is true of the figures.

A leverage of at most L is the claim ``gross − L · equity <= 0``, by whole numbers: L = p / 10ᵈ, k = (10ᵈ, −p).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any, Literal, Self

from services.audit import pedersen
from services.audit.canonical import base64_bytes, base64_text, canonical
from services.audit.entry import digest_text
from services.audit.note import Check, Sign, VerifierKey
from services.audit.pedersen import Random, RangeProof
from services.audit.permit import decimal
from services.audit.receipt import check_receipt
from services.core.errors import InvalidInput

FORMAT, PROOF_FORMAT = "trimtab/commitments/v1", "trimtab/bound-proof/v1"
DOMAIN = FORMAT.encode() + b"\n"
GROSS = "gross_exposure"
MAX_FIGURES, MAX_TERMS, MAX_COEFFICIENT = 20, 100, 2**32
MAX_BITS = pedersen.VALUE_BITS
Rounding = Literal["up", "down"]
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,19})\Z", re.ASCII)


def figure_of(figure: str, request: Any, answer: Any) -> Decimal:
    """Figure of a recorded answer.

    Raises
    ------
    InvalidInput
        If it is not there, negative or no number, or a target has no notional.
    """
    if figure == GROSS:
        total = Decimal(0)
        for place, row in enumerate(answer.get("targets", ()) if type(answer) is dict else ()):
            text = row.get("target_notional")
            if text is None:
                raise InvalidInput("figure", f"cannot be added up: /targets/{place} has no target_notional", figure)
            total += abs(Decimal(text))
        if type(answer) is not dict or "targets" not in answer:
            raise InvalidInput("figure", "needs an answer with targets", figure)
        return total
    source, _, pointer = figure.partition(":")
    if source not in ("answer", "request") or not pointer.startswith("/"):
        raise InvalidInput("figure", f"must be {GROSS}, answer:/pointer or request:/pointer", figure)
    found = _at(answer if source == "answer" else request, pointer, figure)
    if type(found) not in (int, float, str):
        raise InvalidInput("figure", "must point to a number", figure)
    return decimal(found if type(found) is str else f"{Decimal(repr(found)):f}", "figure")


def _at(value: Any, pointer: str, figure: str) -> Any:
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if type(value) is dict and name in value:
            value = value[name]
        elif type(value) is list and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise InvalidInput("figure", "must point to a number", figure)
    return value


def units(amount: Decimal, unit: str, rounding: Rounding) -> int:
    """Whole units of an amount.

    Examples
    --------
    >>> units(Decimal("10.001"), "0.01", "up"), units(Decimal("10.009"), "0.01", "down")
    (1001, 1000)
    """
    step = decimal(unit, "unit")
    if step == 0:
        raise InvalidInput("unit", "must be above 0", unit)
    with localcontext() as context:
        context.prec = 200
        shared = amount / step
        return int(shared.to_integral_value(ROUND_CEILING if rounding == "up" else ROUND_FLOOR))


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A commitment to one figure, in whole units."""

    figure: str
    unit: str
    rounding: Rounding
    point: bytes

    def fields(self) -> dict[str, str]:
        """As JSON."""
        return {
            "figure": self.figure,
            "unit": self.unit,
            "rounding": self.rounding,
            "commitment": base64_text(self.point),
        }


@dataclass(frozen=True, slots=True)
class Opening:
    """What is committed to [units], and the blind. Whoever has it knows the figure."""

    value: int
    blind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """Signed commitments to figures of one entry; this may be shown to anybody."""

    entry: str
    receipt: str
    rows: tuple[Committed, ...]
    signature: bytes

    @property
    def signed(self) -> bytes:
        """What the log signs."""
        return signed_payload(self.entry, self.rows)

    @property
    def digest(self) -> str:
        """SHA-256 [hex] by which claims name it."""
        return hashlib.sha256(self.signed).hexdigest()

    def find(self, figure: str) -> Committed:
        """Commitment to a figure.

        Raises
        ------
        InvalidInput
            If there is none.
        """
        for row in self.rows:
            if row.figure == figure:
                return row
        raise InvalidInput("figure", "must be committed to", figure)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": FORMAT,
            "entry": self.entry,
            "receipt": self.receipt,
            "commitments": [row.fields() for row in self.rows],
            "signature": base64_text(self.signature),
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """The commitments of a JSON value; nothing but its form is checked.

        Raises
        ------
        InvalidInput
            Naming the member that is missing, superfluous or malformed.
        """
        said = _object(document, "", {"format", "entry", "receipt", "commitments", "signature"})
        if said["format"] != FORMAT:
            raise InvalidInput("format", f"must be {FORMAT}", said["format"])
        rows, names = [], set[str]()
        if type(said["commitments"]) is not list or not 1 <= len(said["commitments"]) <= MAX_FIGURES:
            raise InvalidInput(
                "commitments", f"must be a list of 1 to {MAX_FIGURES}", type(said["commitments"]).__name__
            )
        for place, item in enumerate(said["commitments"]):
            where = f"commitments.{place}"
            row = _object(item, where, {"figure", "unit", "rounding", "commitment"})
            if any(type(value) is not str for value in row.values()) or row["rounding"] not in ("up", "down"):
                raise InvalidInput(where, "must hold texts, and a rounding up or down", row["rounding"])
            if row["figure"] in names:
                raise InvalidInput(f"{where}.figure", "must be given once", row["figure"])
            names.add(row["figure"])
            point = pedersen.checked_point(base64_bytes(row.pop("commitment"), where), f"{where}.commitment")
            rows.append(Committed(**row, point=point))
        for name in ("entry", "receipt", "signature"):
            if type(said[name]) is not str:
                raise InvalidInput(name, "must be a text", type(said[name]).__name__)
        return cls(
            entry=said["entry"],
            receipt=said["receipt"],
            rows=tuple(rows),
            signature=base64_bytes(said["signature"], "signature"),
        )


def signed_payload(entry: str, rows: Sequence[Committed]) -> bytes:
    """What the log signs of commitments to figures of an entry."""
    digest = digest_text(hashlib.sha256(entry.encode()).digest())
    return DOMAIN + canonical({"entry": digest, "commitments": [row.fields() for row in rows]})


def commit(
    figures: Sequence[tuple[str, str, Rounding]],
    request: Any,
    answer: Any,
    *,
    entry: str,
    receipt: str,
    sign: Sign,
    random: Random,
) -> tuple[Commitments, list[Opening]]:
    """Signed commitments to (figure, unit, rounding) of a recorded answer, and their openings.

    Raises
    ------
    InvalidInput
        Naming the figure that is not there.
    """
    rows, openings = [], []
    for place, (figure, unit, rounding) in enumerate(figures):
        try:
            value = units(figure_of(figure, request, answer), unit, rounding)
            if value >= 2**MAX_BITS:
                raise InvalidInput("unit", f"must be larger: the figure has 2^{MAX_BITS} of these, or more", unit)
            opening = Opening(value, pedersen.scalar(random))
            point = pedersen.committed(opening.value, opening.blind)
        except InvalidInput as error:
            error.parameter = f"figures.{place}.{error.parameter}"
            raise
        rows.append(Committed(figure=figure, unit=unit, rounding=rounding, point=point))
        openings.append(opening)
    signature = sign(signed_payload(entry, rows))
    return Commitments(entry=entry, receipt=receipt, rows=tuple(rows), signature=signature), openings


def check_commitments(shown: Commitments, log: VerifierKey, check: Check) -> dict[str, Any]:
    """Entry that commitments are about.

    Raises
    ------
    InvalidInput
        If the log has not signed them, or not the entry.
    """
    check_receipt(shown.receipt, shown.entry.encode(), log, check)
    if not check(log.public, shown.signature, shown.signed):
        raise InvalidInput("signature", f"must be that of {log.text()} over these commitments", "another signature")
    entry: dict[str, Any] = json.loads(shown.entry)
    return entry


@dataclass(frozen=True, slots=True)
class Term:
    """``coefficient · figure`` of the document of this digest."""

    document: str
    figure: str
    coefficient: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """``Σ coefficient · figure <= bound`` [units], whose difference is below 2ⁿ, n = `bits`."""

    terms: tuple[Term, ...]
    bound: int
    unit: str
    bits: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.terms) <= MAX_TERMS:
            raise InvalidInput("terms", f"must be 1 to {MAX_TERMS}", len(self.terms))
        for term in self.terms:
            if not 0 < abs(term.coefficient) <= MAX_COEFFICIENT:
                raise InvalidInput("coefficient", f"must not be 0, and at most {MAX_COEFFICIENT}", term.coefficient)
        named = [(term.document, term.figure) for term in self.terms]
        if len(set(named)) < len(named):
            raise InvalidInput("terms", "must name each figure of a document once", named[0][1])
        if not abs(self.bound) < 2**MAX_BITS:
            raise InvalidInput("bound", f"must be below 2^{MAX_BITS} units", self.bound)
        if not 1 <= self.bits <= MAX_BITS:
            raise InvalidInput("bits", f"must be 1 to {MAX_BITS}", self.bits)

    def fields(self) -> dict[str, Any]:
        """As JSON; large numbers as text."""
        return {
            "terms": [
                {"document": term.document, "figure": term.figure, "coefficient": term.coefficient}
                for term in self.terms
            ],
            "bound": str(self.bound),
            "unit": self.unit,
            "bits": self.bits,
        }

    @property
    def statement(self) -> bytes:
        """What the challenge of a proof is bound to, beside the commitments."""
        return PROOF_FORMAT.encode() + b"\n" + canonical(self.fields())

    @classmethod
    def parse(cls, value: Any) -> Self:
        """The claim of a JSON value.

        Raises
        ------
        InvalidInput
            Naming the member that is malformed.
        """
        said = _object(value, "claim", {"terms", "bound", "unit", "bits"})
        if type(said["terms"]) is not list or type(said["unit"]) is not str or type(said["bits"]) is not int:
            raise InvalidInput("claim", "must hold a list of terms, a unit and a number of bits", type(value).__name__)
        terms = []
        for place, item in enumerate(said["terms"]):
            row = _object(item, f"claim.terms.{place}", {"document", "figure", "coefficient"})
            if [type(row[name]) for name in ("document", "figure", "coefficient")] != [str, str, int]:
                rule = "must hold two texts and a whole number"
                raise InvalidInput(f"claim.terms.{place}", rule, type(item).__name__)
            terms.append(Term(row["document"], row["figure"], row["coefficient"]))
        return cls(terms=tuple(terms), bound=_whole(said["bound"]), unit=said["unit"], bits=said["bits"])


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundProof:
    """A claim, the documents that it is about, and what proves it."""

    claim: Claim
    documents: tuple[Commitments, ...]
    proof: RangeProof

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": PROOF_FORMAT,
            "claim": self.claim.fields(),
            "documents": [item.document() for item in self.documents],
            "proof": self.proof.document(),
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """The proof of a JSON value; nothing but its form is checked.

        Raises
        ------
        InvalidInput
            Naming the member that is missing, superfluous or malformed.
        """
        said = _object(document, "", {"format", "claim", "documents", "proof"})
        if said["format"] != PROOF_FORMAT:
            raise InvalidInput("format", f"must be {PROOF_FORMAT}", said["format"])
        if type(said["documents"]) is not list or not 1 <= len(said["documents"]) <= MAX_TERMS:
            raise InvalidInput("documents", f"must be a list of 1 to {MAX_TERMS}", type(said["documents"]).__name__)
        return cls(
            claim=Claim.parse(said["claim"]),
            documents=tuple(map(Commitments.parse, said["documents"])),
            proof=RangeProof.parse(said["proof"]),
        )


def difference(claim: Claim, documents: Sequence[Commitments]) -> bytes:
    """Commitment to ``bound − Σ coefficient · figure``, added up from those of the documents.

    Raises
    ------
    InvalidInput
        If a term names another document, unit or rounding than it may, or a document is named by none.
    """
    known = {item.digest: item for item in documents}
    if len(known) < len(documents) or known.keys() != {term.document for term in claim.terms}:
        raise InvalidInput("documents", "must be those of the terms, each once", len(documents))
    parts = [(claim.bound, pedersen.G)]
    for term in claim.terms:
        row = known[term.document].find(term.figure)
        needed = "up" if term.coefficient > 0 else "down"
        if row.unit != claim.unit:
            raise InvalidInput("unit", f"must be {row.unit}, that of {term.figure}", claim.unit)
        if row.rounding != needed:
            raise InvalidInput("rounding", f"of {term.figure} must be {needed} in this claim", row.rounding)
        parts.append((-term.coefficient, row.point))
    return pedersen.combined(parts)


def prove_bound(
    claim: Claim, documents: Sequence[Commitments], openings: Mapping[tuple[str, str], Opening], random: Random
) -> BoundProof:
    """Proof of a claim; `openings` by (digest of the document, figure).

    Raises
    ------
    InvalidInput
        If the claim is not true, an opening is not that of its commitment, or the difference does not fit the bits.
    """
    difference(claim, documents)
    known = {item.digest: item for item in documents}
    slack, blind = claim.bound, 0
    for term in claim.terms:
        opening = openings[term.document, term.figure]
        if pedersen.committed(opening.value, opening.blind) != known[term.document].find(term.figure).point:
            raise InvalidInput("openings", "must open the commitment", term.figure)
        slack -= term.coefficient * opening.value
        blind -= term.coefficient * opening.blind
    if slack < 0:
        raise InvalidInput("claim", "must be true", "a figure beyond the bound")
    if slack >= 2**claim.bits:
        raise InvalidInput("bits", "must hold the room below the bound", claim.bits, "take more bits")
    proof = pedersen.prove_range(slack, blind % pedersen.ORDER, claim.bits, claim.statement, random)
    return BoundProof(claim=claim, documents=tuple(documents), proof=proof)


def check_bound(shown: BoundProof, log: VerifierKey, check: Check) -> list[dict[str, Any]]:
    """Entries of a claim that is proved, in the order of its documents.

    Raises
    ------
    InvalidInput
        Naming the part that proves nothing.
    """
    entries = [check_commitments(item, log, check) for item in shown.documents]
    target = difference(shown.claim, shown.documents)
    if not pedersen.check_range(target, shown.proof, shown.claim.bits, shown.claim.statement):
        raise InvalidInput("proof", "must prove the claim", "another proof")
    return entries


def leverage_terms(document: Commitments, gross: str, equity: str, leverage: Decimal) -> tuple[Term, Term]:
    """Terms of ``gross − leverage · equity <= 0``.

    Raises
    ------
    InvalidInput
        If the leverage has more than 4 decimals or is not above 0.
    """
    numerator, denominator = leverage.as_integer_ratio()
    scale = 10_000
    if not 0 < leverage <= 10_000 or scale % denominator:
        raise InvalidInput("leverage", "must be above 0, up to 10,000, with at most 4 decimals", str(leverage))
    return (
        Term(document.digest, gross, denominator),
        Term(document.digest, equity, -numerator),
    )


def _object(value: Any, where: str, names: set[str]) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != names:
        found = type(value).__name__
        raise InvalidInput(where or "document", f"must be an object of {', '.join(sorted(names))}", found)
    return dict(value)


def _whole(text: Any) -> int:
    if type(text) is not str or not _WHOLE.match(text):
        raise InvalidInput("bound", "must be a whole number as text", text)
    return int(text)
