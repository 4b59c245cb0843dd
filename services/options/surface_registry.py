"""Every way to fit a volatility surface; adding one is one file and one line here."""

from __future__ import annotations

from services.options.surfaces.essvi import Essvi
from services.options.surfaces.flat import Flat
from services.options.surfaces.joint_svi import JointSvi

SurfaceMethod = JointSvi | Essvi | Flat
