# SPDX-License-Identifier: Apache-2.0
"""A content store in a directory, which the processes of one machine may share: the embedded default.

Layout::

    PATH/blobs/3f/bafkrei…   a content under its CID, in a folder named by its digest's first byte
    PATH/pins/bafkrei…       an empty file: the content is pinned
    PATH/partial/…           being written; moved to blobs/ when complete

A blob appears whole or not at all (written aside, flushed, renamed) and is hashed whenever it is read. There is no
lock: a pin is set before its blob appears, and ``collect`` looks at the pin again after it moved a blob away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

import anyio.to_thread

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import LEAF_BYTES, ContentHasher, cid_text, content_id
from bcfl.storage.errors import ContentNotFound, StoreFull, StoreUnreachable, WrongDigest

__all__ = ("DirectoryStore",)

_ABANDONED_AFTER_S = 3600.0


class DirectoryStore:
    """Contents as files below ``path``, made when first written to; what is put is pinned until it is unpinned."""

    kind: ClassVar[str] = "directory"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._root = Path(path)
        self.location = str(self._root)

    async def put(self, data: bytes) -> ContentId:
        """Keep bytes on disk, pinned, and name them.

        Raises:
            StoreFull: the disk is full.
            StoreUnreachable: the directory cannot be written.
        """
        return await anyio.to_thread.run_sync(self._put, data)

    async def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a content in chunks of at most 1 MiB, hashed on the way.

        Raises:
            ContentNotFound: it is not here, or was collected meanwhile.
            StoreUnreachable: the file cannot be read.
            WrongDigest: after the last chunk: the file was changed since it was written.
        """
        hasher = ContentHasher()
        offset = 0
        while True:
            # Opened anew for each chunk: no file stays open while the reader is elsewhere or cancelled.
            chunk = await anyio.to_thread.run_sync(self._read, content, offset)
            if chunk:
                hasher.update(chunk)
                offset += len(chunk)
                yield chunk
            if len(chunk) < LEAF_BYTES:
                break
        if hasher.finish().digest != content.digest:
            raise WrongDigest(
                f"The file {self._blob(content)} was damaged: delete it and put its content again."
            )

    async def pin(self, content: ContentId) -> None:
        """Keep a content through ``collect``.

        Raises:
            ContentNotFound: it is not here.
            StoreUnreachable: the directory cannot be written.
        """
        await anyio.to_thread.run_sync(self._pin, content)

    async def unpin(self, content: ContentId) -> None:
        """Let ``collect`` remove a content; one that is not pinned stays so.

        Raises:
            StoreUnreachable: the directory cannot be written.
        """
        await anyio.to_thread.run_sync(self._unpin, content)

    async def has(self, content: ContentId) -> bool:
        """Whether the content is here."""
        return await anyio.to_thread.run_sync(self._blob(content).is_file)

    async def collect(self) -> int:
        """Remove every content that is not pinned, and what crashed writers left; how many contents they were.

        Raises:
            StoreUnreachable: the directory cannot be written.
        """
        return await anyio.to_thread.run_sync(self._collect)

    async def aclose(self) -> None:
        """Nothing is held open between calls."""

    def _blob(self, content: ContentId) -> Path:
        return self._root / "blobs" / content.digest[:1].hex() / cid_text(content)

    def _marker(self, content: ContentId) -> Path:
        return self._root / "pins" / cid_text(content)

    def _put(self, data: bytes) -> ContentId:
        content = content_id(data)
        blob = self._blob(content)
        with self._written():
            partial = self._root / "partial" / secrets.token_hex(16)
            for folder in (blob.parent, partial.parent, self._marker(content).parent):
                folder.mkdir(parents=True, exist_ok=True)
            self._marker(content).touch()
            try:
                # Written even where the blob exists: that one may be damaged.
                with partial.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(blob)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        return content

    def _read(self, content: ContentId, offset: int) -> bytes:
        try:
            with self._blob(content).open("rb") as file:
                file.seek(offset)
                return file.read(LEAF_BYTES)
        except FileNotFoundError:
            raise ContentNotFound(f"The store {self.location} does not have {cid_text(content)}.") from None
        except OSError as error:
            raise StoreUnreachable(f"The store {self.location} cannot be read: {error.strerror}.") from error

    def _pin(self, content: ContentId) -> None:
        with self._written():
            self._marker(content).parent.mkdir(parents=True, exist_ok=True)
            self._marker(content).touch()
        if not self._blob(content).is_file():
            self._unpin(content)
            raise ContentNotFound(f"The store {self.location} does not have {cid_text(content)}.")

    def _unpin(self, content: ContentId) -> None:
        with self._written():
            self._marker(content).unlink(missing_ok=True)

    def _collect(self) -> int:
        removed = 0
        with self._written():
            for blob in list(self._root.glob("blobs/*/*")):
                marker = self._root / "pins" / blob.name
                if marker.exists():
                    continue
                aside = self._root / "partial" / secrets.token_hex(16)
                try:
                    blob.replace(aside)
                except FileNotFoundError:
                    continue  # another process collects too
                if marker.exists():
                    aside.replace(blob)
                else:
                    aside.unlink()
                    removed += 1
            for partial in self._root.glob("partial/*"):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - partial.stat().st_mtime > _ABANDONED_AFTER_S:
                        partial.unlink()
        return removed

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFull(
                    f"The store {self.location} takes no more: {error.strerror}, {_free(self._root):,} bytes are left; make room, "
                    f"or name another directory."
                ) from error
            raise StoreUnreachable(
                f"The store {self.location} cannot be written: {error.strerror}."
            ) from error


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free if path.exists() else 0
