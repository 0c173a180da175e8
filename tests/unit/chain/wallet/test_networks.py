# SPDX-License-Identifier: Apache-2.0
"""Networks by name: what is written is read again, and what cannot be is said with its key."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bcfl.chain.errors import ChainIdentityChanged, HeaderUnset, NetworkFileInvalid, NetworkUnknown
from bcfl.chain.wallet.networks import Network, Networks

FACTORY = "0xd590631af92585DD1f33DbC9e731159B93012C1D"


@pytest.fixture
def book(tmp_path):
    return Networks(tmp_path / "networks.toml")


def test_a_network_comes_back_as_it_was_and_a_person_s_comments_stay(book):
    made = book.made(
        "trial", {"rpc": "ws://127.0.0.1:8545", "factory": FACTORY.lower(), "token": None, "confirmations": 3}
    )
    book.put("trial", made)
    assert book.get("trial") == made
    assert made.factory == FACTORY  # with its checksum
    text = book.path.read_text()
    book.path.write_text(f"# the ministry's chain\n{text}")
    book.put("other", Network(rpc="wss://example.org/v3", headers={"Authorization": "Bearer $TOKEN"}))
    assert book.path.read_text().startswith("# the ministry's chain")
    assert list(book.all()) == ["trial", "other"]
    assert book.get("other").headers == {"Authorization": "Bearer $TOKEN"}


def test_what_is_not_given_again_stays(book):
    book.put("trial", book.made("trial", {"rpc": "ws://a:1", "confirmations": 5}))
    again = book.made("trial", {"factory": FACTORY, "rpc": None})
    assert (again.rpc, again.confirmations, again.factory) == ("ws://a:1", 5, FACTORY)


def test_an_unknown_network_is_told_with_those_that_there_are(book):
    with pytest.raises(
        NetworkUnknown, match=r"no network 'trial' in .* \(there is none yet\): bcfl networks add trial"
    ):
        book.get("trial")
    book.put("local", Network(rpc="ws://a:1"))
    with pytest.raises(NetworkUnknown, match="there are local"):
        book.get("trial")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[a]\nrpc = "http://x:1"', "'rpc' write a WebSocket address"),
        ('[a]\nrpc = "ws://x:1"\nfactory = "0x12"', "'factory' is no address"),
        (
            f'[a]\nrpc = "ws://x:1"\ntoken = "{FACTORY.swapcase().replace("X", "x", 1)}"',
            "'token' is mistyped",
        ),
        ('[a]\nrpc = "ws://x:1"\nconfirmations = 900', "'confirmations'"),
        ('[a]\nrpc = "ws://x:1"\nrcp = 1', "'rcp'"),
        ("[a]\nfrom_block = 1", "'rpc'"),
        ("a = 3", "'a'"),
        ("[a", "cannot be read"),
    ],
)
def test_what_cannot_be_is_said_with_its_key_and_nothing_is_written_over(book, text, sentence):
    book.path.write_text(text)
    with pytest.raises(NetworkFileInvalid, match=sentence):
        book.get("a")
    with pytest.raises(NetworkFileInvalid):
        book.put("b", Network(rpc="ws://x:1"))
    assert book.path.read_text() == text


def test_a_name_is_a_plain_word(book):
    with pytest.raises(NetworkFileInvalid, match="is no name for a network"):
        book.put("my network", Network(rpc="ws://x:1"))


def test_another_chain_behind_a_known_name_is_refused():
    network = Network(rpc="ws://x:1", chain_id=1, genesis="0xaa")
    network.check("trial", SimpleNamespace(chain_id=1, genesis_hash="0xaa", url="ws://x:1"))
    with pytest.raises(
        ChainIdentityChanged,
        match="'trial' is chain 1 with genesis 0xaa, and the node at ws://x:1 serves chain 1 with genesis 0xbb",
    ):
        network.check("trial", SimpleNamespace(chain_id=1, genesis_hash="0xbb", url="ws://x:1"))
    Network(rpc="ws://x:1").check("new", SimpleNamespace(chain_id=9, genesis_hash="0xcc", url="ws://x:1"))


def test_contracts_that_are_not_known_are_asked_for(book):
    with pytest.raises(
        NetworkFileInvalid,
        match="names no factory: put the contracts there with 'bcfl deploy --network trial'",
    ):
        Network(rpc="ws://x:1").address("trial", "factory")


def test_a_provider_s_token_is_of_the_environment(monkeypatch):
    network = Network(rpc="ws://x:1", headers={"Authorization": "Bearer $MY_TOKEN", "X-Plain": "a"})
    with pytest.raises(HeaderUnset, match="Authorization needs the environment variable MY_TOKEN"):
        network.request_headers()
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    assert network.request_headers() == {"Authorization": "Bearer s3cret", "X-Plain": "a"}
