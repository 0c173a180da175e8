# SPDX-License-Identifier: Apache-2.0
"""Data sets, the per-user cache that holds them, and partitions of them among clients."""
