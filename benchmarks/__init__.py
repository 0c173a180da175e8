# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: ratios of times and gas, each measured side by side in one run. ``python -m benchmarks`` runs them."""
