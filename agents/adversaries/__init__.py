# SPDX-License-Identifier: Apache-2.0
"""Behaviours that abuse one stage of an honest agent."""
