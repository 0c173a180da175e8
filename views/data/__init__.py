# SPDX-License-Identifier: Apache-2.0
"""What data look like before anything is trained on them."""
