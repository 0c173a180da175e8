# SPDX-License-Identifier: Apache-2.0
"""Training: jobs, the optimiser's loop, and the engine that runs the jobs of many agents on its workers."""
