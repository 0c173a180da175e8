# SPDX-License-Identifier: Apache-2.0
"""A task's story as experiment trackers keep it: MLflow, TensorBoard."""
