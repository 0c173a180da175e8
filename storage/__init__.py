# SPDX-License-Identifier: Apache-2.0
"""Where models live: content stores that give one CID for the same bytes."""
