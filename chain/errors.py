# SPDX-License-Identifier: Apache-2.0
"""Every situation in which the chain cannot be used.

::

    ChainError
    ├── reading
    │   ├── WebSocketRequired       the URL is not ws:// or wss://
    │   ├── NodeUnreachable         nobody answers at the URL
    │   ├── ConnectionLost          the socket ended under a call or a subscription
    │   ├── SubscriptionsMissing    the node tells nobody of new blocks
    │   ├── CallTimeout             the node did not answer a call in time
    │   ├── RpcError                the node answered a call with an error
    │   ├── ChainIdentityChanged    another chain answers at the URL
    │   ├── ChainNotRepeated        a devnet that is made again comes out as another chain
    │   ├── ChainTooOld             the chain does not have the rules that the contracts need
    │   ├── ContractMissing         the node has no contract where one was deployed
    │   ├── NoEmptyBlocks           the chain makes blocks for transactions alone, and confirmations are waited for
    │   ├── BlockUnavailable        the node announces a block and does not give it
    │   ├── ReorganisationTooDeep   blocks changed that were final or are no longer remembered
    │   ├── PumpNotStarted          the pump was asked for its place before it had one
    │   ├── PumpStopped             the pump was waited for after it was stopped
    │   ├── AnvilNotFound           no anvil binary on this machine
    │   └── DevnetDied              anvil ended by itself or did not start
    └── writing
        ├── JournalOfAnotherChain   the journal was written against another chain
        ├── JournalInUse            another process writes the same journal
        ├── JournalUnreadable       the journal's file is damaged or from a newer version
        ├── JournalUnwritable       the disk does not take what must be durable
        ├── ActionAlreadyRecorded   one action, two payloads
        ├── FeeCapReached           the chain asks for more than the owner may pay
        ├── DayBudgetReached        a day's transactions cost as much as their owner allows
        ├── OwnerStopped            an intent for a transaction owner that does not run
        ├── DeploymentFailed        a set-up transaction reverted
        ├── CallRefused             a contract, or the node, does not take what a person sends
        ├── NoFunder                nobody pays for the agents' transactions
        ├── KeystoreExists          a new keystore would overwrite a file
        ├── KeystoreUnreadable      the file is no keystore
        ├── WrongPassword           the keystore does not open with this password
        ├── KeystoreExposed         others can read the keystore
        ├── KeyInUse                another program acts with the key
        ├── KeyMissing              there is no key of that name
        ├── KeyNameInvalid          no name for a key
        ├── NetworkUnknown          there is no network of that name
        ├── NetworkFileInvalid      the file of networks, or one of them, cannot be read
        └── HeaderUnset             a header of a provider needs a variable that is not set
"""

from __future__ import annotations

from bcfl.errors import ChainError

__all__ = (
    "ActionAlreadyRecorded",
    "AnvilNotFound",
    "BlockUnavailable",
    "CallRefused",
    "CallTimeout",
    "ChainIdentityChanged",
    "ChainNotRepeated",
    "ChainTooOld",
    "ConnectionLost",
    "ContractMissing",
    "DayBudgetReached",
    "DeploymentFailed",
    "DevnetDied",
    "FeeCapReached",
    "HeaderUnset",
    "JournalInUse",
    "JournalOfAnotherChain",
    "JournalUnreadable",
    "JournalUnwritable",
    "KeyInUse",
    "KeyMissing",
    "KeyNameInvalid",
    "KeystoreExists",
    "KeystoreExposed",
    "KeystoreUnreadable",
    "NetworkFileInvalid",
    "NetworkUnknown",
    "NoEmptyBlocks",
    "NoFunder",
    "NodeUnreachable",
    "OwnerStopped",
    "PumpNotStarted",
    "PumpStopped",
    "ReorganisationTooDeep",
    "RpcError",
    "SubscriptionsMissing",
    "WebSocketRequired",
    "WrongPassword",
)


class WebSocketRequired(ChainError):
    """The node's URL must start with ws:// or wss://."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} cannot push events: give the node's WebSocket URL, which starts with ws:// or wss://."
        )
        self.url = url


class NodeUnreachable(ChainError):
    """No node answers at the URL."""

    def __init__(self, url: str, reason: str = "") -> None:
        super().__init__(
            f"No node answers at {url}{f' ({reason})' if reason else ''}; start one there or correct the URL."
        )
        self.url = url


class ConnectionLost(ChainError):
    """The connection to the node ended."""

    precedence = 3


class SubscriptionsMissing(ChainError):
    """The node tells nobody of new blocks."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The node at {url} offers no subscription to new blocks (eth_subscribe newHeads): use one that does."
        )


class CallTimeout(ChainError):
    """The node did not answer a call in time."""

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(f"The node did not answer {method} within {seconds:g} s.")
        self.method = method


class RpcError(ChainError):
    """The node answered a call with an error.

    Attributes:
        code: the JSON-RPC error code (EIP-1474), 3 for a revert.
        message: the node's own words.
        data: what came with them: a revert's return data as ``0x`` text, as a rule.
        method: what was called.
    """

    def __init__(self, code: int, message: str, data: object = None, *, method: str = "") -> None:
        super().__init__(f"The node refused {method or 'a call'}: {message} (code {code}).")
        self.code = code
        self.message = message
        self.data = data
        self.method = method


class ChainIdentityChanged(ChainError):
    """Another chain answers at this URL than before: start afresh, or point to the right node."""


class ChainNotRepeated(ChainError):
    """The run's devnet cannot be made again as it was; run the scenario again."""


class ChainTooOld(ChainError):
    """The chain does not have the rules that the contracts need (Cancun, 2024)."""


class ContractMissing(ChainError):
    """The node has no contract at this address: give the URL of a node that has the run's blocks."""


class NoEmptyBlocks(ChainError):
    """The node makes a block only for a transaction: with confirmations nothing is ever final there."""


class BlockUnavailable(ChainError):
    """The node announces a block but does not give it."""


class ReorganisationTooDeep(ChainError):
    """The chain was reorganised deeper than can be undone."""


class PumpNotStarted(ChainError):
    """The block pump has not read its first block yet; wait for pump.reached() before asking for its cursor."""


class PumpStopped(ChainError):
    """The block pump was stopped, so the block waited for does not come; start the pump again."""

    precedence = 3


class AnvilNotFound(ChainError):
    """anvil was not found: run `npm install` in contracts/, put anvil on PATH, or set BCFL_ANVIL to the binary."""


class DevnetDied(ChainError):
    """The devnet (anvil) ended by itself."""

    precedence = 0


class JournalOfAnotherChain(ChainError):
    """The journal was written against another chain; use another journal file, or remove it to start afresh."""


class JournalInUse(ChainError):
    """Another process writes this journal; stop it, or give this process a journal of its own."""


class JournalUnreadable(ChainError):
    """The journal's file is damaged or was written by a newer version; restore it from a copy, or update bcfl."""


class JournalUnwritable(ChainError):
    """The journal could not be written, so nothing was sent; make room on its disk and start again."""


class ActionAlreadyRecorded(ChainError):
    """The journal holds this action with another payload; an action is decided once."""


class FeeCapReached(ChainError):
    """The chain asks for a higher fee than the cap allows; raise the cap, or wait until the base fee falls."""


class DayBudgetReached(ChainError):
    """What a day's transactions may cost does not hold one more; wait for the next day (UTC), or raise the budget."""


class DeploymentFailed(ChainError):
    """A transaction that sets the contracts up reverted."""


class NoFunder(ChainError):
    """Nobody pays for the agents' transactions: name a keystore under chain.funder."""


class OwnerStopped(ChainError):
    """The transaction owner does not run any more, so the intent was not taken; start it and submit again."""

    precedence = 3


class KeystoreExists(ChainError):
    """There is a file at the keystore's path already; choose another path, since a lost key is lost for ever."""


class KeystoreUnreadable(ChainError):
    """The file is not a readable keystore; it must be JSON in the Web3 Secret Storage format, version 3."""


class WrongPassword(ChainError):
    """The keystore does not open with this password."""


class KeystoreExposed(ChainError):
    """Others can read the keystore."""

    exit_code = 2


class KeyInUse(ChainError):
    """Another program acts with this key."""

    exit_code = 2


class KeyMissing(ChainError):
    """There is no key of that name."""

    exit_code = 2


class KeyNameInvalid(ChainError):
    """No name for a key."""

    exit_code = 2


class NetworkUnknown(ChainError):
    """There is no network of that name."""

    exit_code = 2


class NetworkFileInvalid(ChainError):
    """The file of networks, or one of them, cannot be read."""

    exit_code = 2


class HeaderUnset(ChainError):
    """A header that a node's provider asks for needs a variable that is not set."""

    exit_code = 2


class CallRefused(ChainError):
    """A contract, or the node, does not take this transaction."""
