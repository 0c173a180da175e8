# SPDX-License-Identifier: Apache-2.0
"""Networks: named entries that give a torch module and the schema of its parameters."""
