# SPDX-License-Identifier: Apache-2.0
"""What the roots of a rooted task stand for: lists in the store, fetched, checked, and told as if they were on the chain."""
