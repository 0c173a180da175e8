# SPDX-License-Identifier: Apache-2.0
"""How models travel: the bytes of an update, written once and parsed as if an enemy had written them."""
