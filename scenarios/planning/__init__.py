# SPDX-License-Identifier: Apache-2.0
"""What a scenario comes to before anything runs: its data shared out, keys, the task, and whether all of it fits."""
