# SPDX-License-Identifier: Apache-2.0
"""Situations in models.

::

    ModelError
    └── SchemaMismatch    two sets of weights do not have the same tensors
"""

from __future__ import annotations

from bcfl.errors import ModelError

__all__ = ("SchemaMismatch",)


class SchemaMismatch(ModelError):
    """Two sets of weights do not have the same tensor names, shapes and dtypes."""
