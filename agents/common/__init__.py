# SPDX-License-Identifier: Apache-2.0
"""What agents of both settings do: join, train, fetch and check updates, fold them to a model, keep the clock, publish."""
