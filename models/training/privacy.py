# SPDX-License-Identifier: Apache-2.0
"""What a trainer promises those whose data it has: differential privacy of every sample in what it hands in.

DP-SGD (Abadi et al. 2016, arXiv 1607.00133) by Opacus: each sample's gradient is shortened to ``max_grad_norm``, Gaussian noise of
``noise_multiplier`` times that length is added to their sum, and a batch is a Poisson sample of the data. What was spent is
accounted by Rényi divergence (Mironov 2017, arXiv 1702.07476; Mironov, Talwar, Zhang 2019, arXiv 1908.10530).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from importlib.util import find_spec

from bcfl.models.errors import InvalidHyperparameters, PrivacyUnavailable

__all__ = ("Privacy", "check_opacus", "is_here", "steps_of")


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Noise and clipping of a trainer's own training, and the δ for which its ε is told."""

    noise_multiplier: float
    max_grad_norm: float = 1.0
    delta: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("noise_multiplier", "max_grad_norm"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise InvalidHyperparameters(f"{name} must be above 0, not {value}.")
        if not 0 < self.delta < 1:
            raise InvalidHyperparameters(f"delta must be above 0 and below 1, not {self.delta}.")

    def epsilon(self, *, samples: int, batch_size: int, steps: int) -> float:
        """ε at ``delta`` after so many steps on Poisson samples of ``batch_size`` out of ``samples``, on average.

        Raises:
            PrivacyUnavailable: Opacus is not installed.
        """
        check_opacus()
        from opacus.accountants import RDPAccountant  # an extra, and slow to load

        accountant = RDPAccountant()
        accountant.history = [(self.noise_multiplier, min(1.0, batch_size / samples), steps)]
        with warnings.catch_warnings():
            # of the orders that it looks at the outermost may be the best: the bound holds, it is a little loose
            warnings.filterwarnings("ignore", message="Optimal order is the")
            return float(accountant.get_epsilon(self.delta))


def steps_of(*, samples: int, batch_size: int, epochs: int) -> int:
    """Steps of a private job: as many batches as the epochs would have without privacy."""
    return epochs * math.ceil(samples / batch_size)


def is_here() -> bool:
    """Whether Opacus is installed."""
    return find_spec("opacus") is not None


def check_opacus() -> None:
    """Whether gradients of single samples can be had.

    Raises:
        PrivacyUnavailable: Opacus is not installed.
    """
    if not is_here():
        raise PrivacyUnavailable(
            "Training with privacy needs a package that is not here (opacus): pip install 'bcfl[privacy]', or drop 'privacy'."
        )
