# SPDX-License-Identifier: Apache-2.0
"""What a scenario file says: YAML with line numbers, types, rules, and refusals in one sentence each."""
