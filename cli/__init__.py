# SPDX-License-Identifier: Apache-2.0
"""The bcfl command: thin, it only composes."""
