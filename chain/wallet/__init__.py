# SPDX-License-Identifier: Apache-2.0
"""What a person brings to a chain: keys in files, and networks by name."""
