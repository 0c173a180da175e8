# SPDX-License-Identifier: Apache-2.0
"""Who pays for the agents' transactions on a node that is not ours: a keystore, or the node's own account."""

from __future__ import annotations

import os
from pathlib import Path

from bcfl.chain.keys import Signer, open_keystore

__all__ = ("PASSWORD_VARIABLE", "open_funder")

PASSWORD_VARIABLE = "BCFL_FUNDER_PASSWORD"  # noqa: S105 - a variable's name


async def open_funder(keystore: str | None) -> Signer | None:
    """The key in a keystore file, opened with ``BCFL_FUNDER_PASSWORD``; None: the node's own account pays.

    Raises:
        KeystoreUnreadable: the file is no keystore.
        WrongPassword: the password does not open it.
    """
    if keystore is None:
        return None
    return await open_keystore(Path(keystore), os.environ.get(PASSWORD_VARIABLE, ""))
