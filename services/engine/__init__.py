"""The one pure entry point of the core: `evaluate(inputs) -> Evaluation`."""

from services.engine.evaluate import evaluate
from services.engine.inputs import EvaluationInputs, SeriesInput, StateInput
from services.engine.outputs import Evaluation
from services.engine.policy import Policy

__all__ = ["Evaluation", "EvaluationInputs", "Policy", "SeriesInput", "StateInput", "evaluate"]
