# SPDX-License-Identifier: Apache-2.0
"""Checking an evaluation from what members handed in: when trainers object, and what clears an accused evaluator."""
