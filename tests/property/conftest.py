"""What these tests share."""

from __future__ import annotations

from tests.support.patience import patient_stores

__all__ = ["patient_stores"]
