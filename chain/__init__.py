# SPDX-License-Identifier: Apache-2.0
"""How agents reach the chain."""

import sys

_limit = sys.getrecursionlimit()

import web3  # noqa: E402, F401 - see below

# A dependency of web3 (py_ecc) raises the recursion limit to 100,000 when it is imported. With that, JSON nested
# deeply by somebody hostile ends the process instead of raising RecursionError.
sys.setrecursionlimit(_limit)
