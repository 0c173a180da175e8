# SPDX-License-Identifier: Apache-2.0
"""How a living agent is seen: its diary, what only its owner can mend, metrics and traces."""
