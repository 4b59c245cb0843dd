"""What a sizing method has to say besides sizes, put in its place in the evaluation."""

from __future__ import annotations

from services.core.explain import Floats
from services.core.outcome import Status
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Target
from services.sizing.abilities import Remarks, Skew, SkewsQuotes, Survival, TellsSurvival
from services.sizing.columns import SizingColumns


def final_weights(sizing: SizingColumns, final: Floats) -> Floats:
    """Exposure over equity at `final` [contracts], with coin collateral and what is not resized."""
    return sizing.weights(final + sizing.collateral) + sizing.delta_weight


def remarked(
    inputs: EvaluationInputs, columns: BookColumns, targets: tuple[Target, ...], final: Floats
) -> tuple[Target, ...]:
    """The same targets, with what the method remarks where nothing else is said; a refused row has no size."""
    method, sizing = inputs.policy.sizing, columns.sizing
    if sizing is None or not isinstance(method, Remarks):
        return targets
    texts = method.remarks(sizing, final_weights(sizing, final))
    return tuple(
        target._replace(detail=text) if text and not target.detail and target.status is not Status.REFUSED else target
        for target, text in zip(targets, texts, strict=True)
    )


def survival_of(inputs: EvaluationInputs, columns: BookColumns, final: Floats) -> Survival | None:
    """Prospect of the book at `final`; None where the method bounds nothing."""
    method, sizing = inputs.policy.sizing, columns.sizing
    if sizing is None or not isinstance(method, TellsSurvival):
        return None
    return method.survival(sizing, final_weights(sizing, final))


def skew_of(inputs: EvaluationInputs, columns: BookColumns) -> Skew | None:
    """Multipliers of quoted sizes for what is held; None where the method is none for market makers."""
    method, sizing = inputs.policy.sizing, columns.sizing
    if sizing is None or not isinstance(method, SkewsQuotes):
        return None
    return method.quote_skew(sizing, columns.contracts)
