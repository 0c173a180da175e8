# SPDX-License-Identifier: Apache-2.0
"""How agents reach the chain."""
