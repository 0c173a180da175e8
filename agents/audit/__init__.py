# SPDX-License-Identifier: Apache-2.0
"""What any task's audit looks at: the order of a chain, its rules, the contents it names, the account at its end."""
