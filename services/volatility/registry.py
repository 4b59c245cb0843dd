"""Every volatility estimator; adding one is one file in `estimators` and one line here."""

from __future__ import annotations

import ast
from dataclasses import Field, fields
from functools import lru_cache
from typing import Any, get_args

from services.volatility.drivers import NO_DRIVERS, DriverEffect
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.average_true_range import AverageTrueRange
from services.volatility.estimators.close_to_close import CloseToClose
from services.volatility.estimators.egarch import Egarch
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.estimators.har import Har
from services.volatility.estimators.implied import Implied
from services.volatility.estimators.interface import Memory
from services.volatility.estimators.parkinson import Parkinson
from services.volatility.estimators.realized import Realized
from services.volatility.estimators.riskmetrics2006 import RiskMetrics2006
from services.volatility.estimators.rogers_satchell import RogersSatchell
from services.volatility.estimators.stochastic import Stochastic
from services.volatility.estimators.yang_zhang import YangZhang

Estimator = (
    Adaptive
    | Ewma
    | RiskMetrics2006
    | CloseToClose
    | Parkinson
    | GarmanKlass
    | RogersSatchell
    | YangZhang
    | AverageTrueRange
    | Realized
    | Har
    | Garch
    | GjrGarch
    | Egarch
    | Stochastic
    | Implied
)

READ_ONLY = frozenset({"method", "calibrate", "prior_volatility"})
"""Fields that a state does not depend on: calibration and prior act when it is read."""


@lru_cache(maxsize=1024)
def model_version(estimator: Estimator) -> str:
    """Name of the recursion, its revision, and the parameters that its state depends on, in their order.

    Examples
    --------
    >>> model_version(Ewma()), model_version(Adaptive())
    ('ewma.1-20.0', 'adaptive.1-True,True')
    >>> model_version(Adaptive(drivers=("funding", "log_volume")))
    'adaptive.1-True,True,funding:log_volume'
    """
    values = [(field, getattr(estimator, field.name)) for field in _parameters(type(estimator))]
    texts = [_text(value, whole="int" in str(field.type)) for field, value in values if value != ()]
    return f"{estimator.method}.{estimator.revision}-" + ",".join(texts)


def estimator_of(version: str) -> Estimator:
    """Estimator of a `model_version`, with default calibration and without a prior.

    Raises
    ------
    ValueError
        If no estimator has this version.

    Examples
    --------
    >>> estimator_of("ewma.1-5.5").half_life
    5.5
    """
    name, _, values = version.partition("-")
    kinds = {f"{_method(kind)}.{kind.revision}": kind for kind in get_args(Estimator)}
    if name not in kinds:
        raise ValueError(f"no estimator of version {version!r}")
    parameters, texts = _parameters(kinds[name]), values.split(",") if values else []
    if len(texts) < len(parameters) and _lists(parameters[-1]):
        parameters = parameters[:-1]
    parsed = {field.name: _parsed(text, field) for field, text in zip(parameters, texts, strict=True)}
    found: Estimator = kinds[name](**parsed)
    return found


def driver_names(estimator: Estimator) -> tuple[str, ...]:
    """Names of the exogenous drivers of an estimator, in its order; empty where it knows none."""
    return estimator.drivers if isinstance(estimator, Adaptive) else ()


def driver_effect(estimator: Estimator, memory: Memory) -> DriverEffect:
    """What exogenous drivers do to the forecast of a memory."""
    return estimator.driver_effect(memory) if isinstance(estimator, Adaptive) else NO_DRIVERS


def _parameters(kind: type[Estimator]) -> list[Field[Any]]:
    return [field for field in fields(kind) if field.name not in READ_ONLY]


def _method(kind: type[Estimator]) -> str:
    return next(str(field.default) for field in fields(kind) if field.name == "method")


def _lists(field: Field[Any]) -> bool:
    """Whether a parameter is a list of names; that can only be the last one, and an empty list is left out."""
    return "tuple[str" in str(field.type)


def _parsed(text: str, field: Field[Any]) -> object:
    return tuple(text.split(":")) if _lists(field) else ast.literal_eval(text)


def _text(value: object, *, whole: bool) -> str:
    """Value as `_parsed` reads it back; 20 for a real parameter is the same as 20.0."""
    if isinstance(value, tuple):
        return ":".join(value)
    return repr(float(value)) if isinstance(value, int) and not whole and not isinstance(value, bool) else repr(value)
