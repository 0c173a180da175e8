# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the contracts: small faults in ``src``, each of which some test should notice (``make mutants``)."""
