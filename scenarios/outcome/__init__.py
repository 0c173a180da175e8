# SPDX-License-Identifier: Apache-2.0
"""What a run came to: tables folded from its event log, the summary, the run directory, the replay."""
