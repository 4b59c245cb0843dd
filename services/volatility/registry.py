"""Every volatility estimator; adding one is one file in `estimators` and one line here."""

from __future__ import annotations

from services.volatility.estimators.ewma import Ewma

Estimator = Ewma
