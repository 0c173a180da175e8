# SPDX-License-Identifier: Apache-2.0
"""Importing this module registers every named entry of models; it is the plugin of the entry-point group.

None of these modules imports torch when it is itself imported, so that listing entries stays quick.
"""

from __future__ import annotations

import bcfl.models.aggregation.bucketing
import bcfl.models.aggregation.clipping
import bcfl.models.aggregation.coordinatewise
import bcfl.models.aggregation.distances
import bcfl.models.aggregation.fedavg
import bcfl.models.aggregation.geometric
import bcfl.models.aggregation.server
import bcfl.models.aggregation.trust
import bcfl.models.aggregation.validated
import bcfl.models.attacks.adaptive
import bcfl.models.attacks.backdoor
import bcfl.models.attacks.collusive
import bcfl.models.attacks.copying
import bcfl.models.attacks.data
import bcfl.models.attacks.free_riding
import bcfl.models.attacks.poisoning
import bcfl.models.data.femnist
import bcfl.models.data.heart_disease
import bcfl.models.data.image_folder
import bcfl.models.data.mnist
import bcfl.models.data.mnist_writers
import bcfl.models.data.partition
import bcfl.models.data.shakespeare
import bcfl.models.data.synthetic
import bcfl.models.data.user_files
import bcfl.models.data.user_tables
import bcfl.models.defences.none
import bcfl.models.defences.pipeline
import bcfl.models.defences.published
import bcfl.models.networks.char_lstm
import bcfl.models.networks.cnn
import bcfl.models.networks.mlp
import bcfl.models.networks.tabular
import bcfl.models.scoring.first_order
import bcfl.models.scoring.fitted
import bcfl.models.scoring.marginal
import bcfl.models.scoring.sampled
import bcfl.models.scoring.shapley
import bcfl.models.training.optimizers
import bcfl.models.training.schedules
import bcfl.models.wire.codecs  # noqa: F401 - imported for what it registers

__all__ = ()
