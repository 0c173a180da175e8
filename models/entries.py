# SPDX-License-Identifier: Apache-2.0
"""Importing this module registers every named entry of models; it is the plugin of the entry-point group.

None of these modules imports torch when it is itself imported, so that listing entries stays quick.
"""

from __future__ import annotations

import bcfl.models.aggregation.weights
import bcfl.models.data.mnist
import bcfl.models.data.partition
import bcfl.models.data.synthetic
import bcfl.models.data.user_files
import bcfl.models.networks.cnn
import bcfl.models.networks.mlp
import bcfl.models.scoring.marginal
import bcfl.models.scoring.shapley  # noqa: F401 - imported for what it registers

__all__ = ()
