# SPDX-License-Identifier: Apache-2.0
"""A content store in a Kubo (IPFS) node, over its RPC interface through aioipfs.

aioipfs 0.7.1 gives the session, the addresses and the error vocabulary. Its convenience calls are avoided where they
swallow a lost connection and answer ``None``, read a whole body into memory, or ignore their timeout: every request
here goes through one place that turns what can go wrong into this room's errors, streams, and has a deadline.

The RPC interface controls the node: it belongs on loopback or behind an authenticating proxy, never in the open.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, ClassVar

import aiohttp
import aioipfs
import aioipfs.multi
import anyio
import anyio.to_thread

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import LEAF_BYTES, cid_text, content_id
from bcfl.storage.errors import ContentNotFound, InvalidLocation, StoreRefused, StoreUnreachable

__all__ = ("DEFAULT_KUBO_LOCATION", "KuboStore")

DEFAULT_KUBO_LOCATION = "/ip4/127.0.0.1/tcp/5001"

_CONNECT_S = 5.0
_SLOWEST_BYTES_PER_S = 1e6
_CONNECTIONS = 64
_MULTIADDR = re.compile(r"/(ip4|ip6|dns|dns4|dns6)/([^/]+)/tcp/(\d{1,5})(/https?)?/?", re.ASCII)
_URL = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[^/:@\[\]]+)(?::(\d{1,5}))?/?", re.ASCII)
_NO_SUCH_FILE = re.compile(  # in Kubo's words: absent, not found in time, or a block that is no UnixFS file
    r"not found|could not find|deadline exceeded|failed to fetch|proto|PBNode|dag node|node type|metadata object|expected CID",
    re.IGNORECASE,
)

# Every one of them explicit: the node's own defaults depend on its version and its Import.* configuration.
_ADD = {
    "cid-version": "1",
    "raw-leaves": "true",
    "chunker": f"size-{LEAF_BYTES}",
    "hash": "sha2-256",
    "trickle": "false",
    "inline": "false",
    "max-file-links": "174",
    "progress": "false",
}


class _Client(aioipfs.AsyncIPFS):  # type: ignore[misc] # aioipfs has no types
    """aioipfs with this room's time limits instead of its thirty minutes."""

    def __init__(self, *, host: str, port: int, scheme: str, silence_s: float) -> None:
        self._silence_s = silence_s
        super().__init__(host=host, port=port, scheme=scheme, conns_max=_CONNECTIONS)

    def get_session(self, conn_timeout: float = 0.0, read_timeout: float = 0.0) -> aiohttp.ClientSession:  # noqa: ARG002 - the library's signature
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._silence_s),
        )


class KuboStore:
    """Contents in a Kubo node; what is put is pinned until it is unpinned, the node collects the rest itself.

    Args:
        url: the node's RPC address, ``http://127.0.0.1:5001`` or ``/ip4/127.0.0.1/tcp/5001``.
        timeout_s: seconds without a byte after which a request is given up, also while the node searches for a content.

    Raises:
        InvalidLocation: the address has another form.
    """

    kind: ClassVar[str] = "kubo"

    def __init__(self, url: str = DEFAULT_KUBO_LOCATION, *, timeout_s: float = 30.0) -> None:
        self._scheme, self._host, self._port = _parse_location(url)
        self._timeout_s = timeout_s
        self._open_client: _Client | None = None
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.location = f"{self._scheme}://{host}:{self._port}"

    @property
    def _client(self) -> _Client:
        # Made at first use: aioipfs wants a running event loop.
        if self._open_client is None:
            self._open_client = _Client(
                host=self._host, port=self._port, scheme=self._scheme, silence_s=self._timeout_s
            )
        return self._open_client

    async def version(self) -> str:
        """The node's version, for example ``0.42.0``.

        Raises:
            StoreUnreachable: no node answers.
            StoreRefused: something else than a Kubo node does.
        """
        answer = await self._ask("version", {})
        if not isinstance(answer, dict) or "Version" not in answer:
            raise StoreRefused(f"What answers at {self.location} is not the RPC interface of a Kubo node.")
        return str(answer["Version"])

    async def put(self, data: bytes) -> ContentId:
        """Add bytes as a pinned UnixFS file and name them.

        Raises:
            StoreUnreachable: the node does not answer.
            StoreRefused: it answers with an error, or made another file of the bytes.
        """
        content = (
            content_id(data) if len(data) <= LEAF_BYTES else await anyio.to_thread.run_sync(content_id, data)
        )
        with aioipfs.multi.FormDataWriter() as form:
            part = aiohttp.payload.BytesIOPayload(io.BytesIO(data), content_type="application/octet-stream")
            part.set_content_disposition("form-data", name="file", filename="file")
            form.append_payload(part)
        with self._named_errors(None):
            with anyio.fail_after(self._timeout_s + len(data) / _SLOWEST_BYTES_PER_S):
                answer = await self._client.core.add_single(form, params={**_ADD, "pin": "true"})
        made = answer.get("Hash") if isinstance(answer, dict) else None
        if made != cid_text(content):
            raise StoreRefused(
                f"The node at {self.location} named the bytes of {cid_text(content)} '{made}'."
            )
        return content

    async def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a content in chunks of at most 1 MiB.

        The node is asked for one byte more than the content's size, so that a longer one shows.

        Raises:
            ContentNotFound: the node does not have it, finds no more of it in time, or has no file by that name.
            StoreUnreachable: the node does not answer.
            StoreRefused: it answers with an error.
        """
        arguments = {"arg": cid_text(content)}
        with self._named_errors(content):
            received = 0
            try:
                async with self._post("cat", {**arguments, "length": str(content.size + 1)}) as response:
                    async for chunk in response.content.iter_chunked(LEAF_BYTES):
                        received += len(chunk)
                        yield chunk
                if received < content.size:
                    # A block that cannot be had ends the stream like the end of the file: the node says so in an HTTP
                    # trailer, which aiohttp hides. Asked for the next byte, it fails for the block, not for the end.
                    async with self._post("cat", {**arguments, "offset": str(received), "length": "1"}):
                        pass
            except TimeoutError as error:
                await self.version()  # unreachable, if it is silent altogether
                raise ContentNotFound(
                    f"The node at {self.location} found nothing more of {cid_text(content)} for {self._timeout_s:g} s."
                ) from error

    async def pin(self, content: ContentId) -> None:
        """Keep a content through the node's collection; fetch a stranger's first, as an unchecked root may be endless.

        Raises:
            ContentNotFound: the node does not have it, or did not find it in time.
            StoreUnreachable: the node does not answer.
            StoreRefused: it answers with an error.
        """
        # The node's time is up before ours, so that it can say what it lacks.
        limit = f"{max(1, round(self._timeout_s * 800))}ms"
        await self._ask("pin/add", {"arg": cid_text(content), "timeout": limit}, content)

    async def unpin(self, content: ContentId) -> None:
        """Let the node collect a content; one that is not pinned stays so.

        Raises:
            StoreUnreachable: the node does not answer.
            StoreRefused: it answers with an error.
        """
        try:
            await self._ask("pin/rm", {"arg": cid_text(content)}, content)
        except StoreRefused as error:
            if not isinstance(error.__cause__, aioipfs.NotPinnedError):
                raise

    async def has(self, content: ContentId) -> bool:
        """Whether the node itself holds the content's root block; nobody else is asked.

        Raises:
            StoreUnreachable: the node does not answer.
            StoreRefused: it answers with an error.
        """
        try:
            await self._ask("block/stat", {"arg": cid_text(content), "offline": "true"}, content)
        except ContentNotFound:
            return False
        return True

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._open_client = self._open_client, None
        if client is not None:
            await client.close()

    async def _ask(
        self, command: str, parameters: Mapping[str, str], content: ContentId | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to a command that sends no bytes."""
        with self._named_errors(content):
            with anyio.fail_after(self._timeout_s):
                async with self._post(command, parameters) as response:
                    return await response.json(content_type=None)

    @contextlib.asynccontextmanager
    async def _post(
        self, command: str, parameters: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        client = self._client
        async with client.session.post(
            client.core.url(command), params=parameters, auth=client.auth
        ) as response:
            if response.status != 200:
                client.core.handle_error(
                    response, (await response.content.read(LEAF_BYTES)).decode(errors="replace")
                )
            yield response

    @contextlib.contextmanager
    def _named_errors(self, content: ContentId | None) -> Iterator[None]:
        name = "" if content is None else cid_text(content)
        try:
            yield
        except aioipfs.APIError as error:
            words = str(getattr(error, "message", "")) or type(error).__name__
            if content is not None and _NO_SUCH_FILE.search(words):
                raise ContentNotFound(
                    f"The node at {self.location} does not have {name}: {words[:200]}."
                ) from error
            raise StoreRefused(f"The node at {self.location} refused: {words[:200]}.") from error
        except aioipfs.RPCAccessDenied as error:
            raise StoreRefused(f"The node at {self.location} denies access to its RPC interface.") from error
        except TimeoutError as error:  # before ClientError: aiohttp's time-outs are both
            raise StoreUnreachable(
                f"The node at {self.location} did not answer within {self._timeout_s:g} s."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnreachable(
                f"No Kubo node answers at {self.location}; start one with `ipfs daemon` or correct the location."
            ) from error
        except ValueError as error:
            raise StoreRefused(
                f"What answers at {self.location} is not the RPC interface of a Kubo node."
            ) from error


def _parse_location(text: str) -> tuple[str, str, int]:
    """Scheme, host and port of a multiaddr or a URL."""
    if match := _MULTIADDR.fullmatch(text):
        scheme, host, port = (match[4] or "/http")[1:], match[2], int(match[3])
    elif match := _URL.fullmatch(text):
        scheme, host, port = match[1], match[2].strip("[]"), int(match[3] or 5001)
    else:
        raise InvalidLocation(
            f"'{text}' is not the address of a Kubo node: write http://127.0.0.1:5001 or /ip4/127.0.0.1/tcp/5001."
        )
    if not 0 < port < 65536:
        raise InvalidLocation(f"'{text}' names the port {port}, which does not exist.")
    return scheme, host, port
