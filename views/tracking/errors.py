# SPDX-License-Identifier: Apache-2.0
"""Situations in tracking.

::

    TrackingError
    ├── TrackerMissing      the tracker's package is not installed
    └── TrackerUnreachable  its server does not answer, or refuses
"""

from __future__ import annotations

from bcfl.errors import TrackingError

__all__ = ("TrackerMissing", "TrackerUnreachable")


class TrackerMissing(TrackingError):
    """The package that writes for this tracker is not installed."""


class TrackerUnreachable(TrackingError):
    """The tracking server does not answer, or refuses what it is asked."""
