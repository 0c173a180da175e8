# SPDX-License-Identifier: Apache-2.0
"""Who acts: one autonomous, event-driven program per role."""
