# SPDX-License-Identifier: Apache-2.0
"""The cross-silo setting: few members who train, judge each other and agree on every model, and their auditor."""
