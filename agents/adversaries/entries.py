# SPDX-License-Identifier: Apache-2.0
"""Importing this module registers every behaviour and every judge; it is a plugin of the entry-point group."""

from __future__ import annotations

import bcfl.agents.adversaries.absences
import bcfl.agents.adversaries.claims
import bcfl.agents.adversaries.copiers
import bcfl.agents.adversaries.griefers
import bcfl.agents.adversaries.judges
import bcfl.agents.adversaries.malformed
import bcfl.agents.adversaries.spammers
import bcfl.agents.adversaries.sybils  # noqa: F401 - imported for what it registers

__all__ = ()
