# SPDX-License-Identifier: Apache-2.0
"""Blockchain-based federated learning run by autonomous, event-driven agents."""

from __future__ import annotations

__all__ = ("__version__",)

__version__ = "0.1.0"
