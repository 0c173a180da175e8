# SPDX-License-Identifier: Apache-2.0
"""What an agent has pinned, and for which of its tasks: it lets go of that and of nothing else, whatever strangers name.

Contents are known here by their ids as text, as stores know them: on chain the same bytes can be named with another size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from pathlib import Path

from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import Address, ContentId
from bcfl.storage.content_id import cid_text

__all__ = ("PinBook", "PinningStore", "TaskPins")

_FILE = "pins"
_TASKS = "tasks"


class TaskPins:
    """What was pinned for one task.

    Args:
        file: an id a line; None: nothing outlives the process.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.names = _read(file)

    def add(self, name: str) -> None:
        """It is pinned now."""
        if name in self.names:
            return
        self.names.add(name)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="ascii") as file:
                file.write(f"{name}\n")

    def remove(self, names: Collection[str]) -> None:
        """They are not any more."""
        self.names.difference_update(names)
        if self._file is not None and names:
            aside = self._file.with_suffix(".new")
            aside.write_text("".join(f"{name}\n" for name in sorted(self.names)), encoding="ascii")
            aside.replace(self._file)


class PinBook:
    """The pins of all of an agent's tasks, those that are over among them.

    Args:
        folder: the agent's; None: it has none, and every life begins anew.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._tasks: dict[Address, TaskPins] = {}

    def of(self, task: Address) -> TaskPins:
        """Those for that task."""
        if task not in self._tasks:
            self._tasks[task] = TaskPins(
                None if self._folder is None else self._folder / _TASKS / task / _FILE
            )
        return self._tasks[task]

    def others(self, task: Address) -> set[str]:
        """All but that task's, also of tasks that are over, or that an earlier life took part in."""
        names = set().union(*(pins.names for other, pins in self._tasks.items() if other != task))
        if self._folder is not None:
            names |= _read(self._folder / _FILE)
            for file in (self._folder / _TASKS).glob(f"*/{_FILE}"):
                if file.parent.name != task:
                    names |= _read(file)
        return names

    def over(self, task: Address) -> None:
        """The task is over; what was pinned for it last stays, and its folder may go."""
        pins = self.of(task)
        del self._tasks[task]
        if self._folder is not None and pins.names:
            with (self._folder / _FILE).open("a", encoding="ascii") as file:
                file.writelines(f"{name}\n" for name in sorted(pins.names))


class PinningStore:
    """A store that writes down what one task has it pin.

    Args:
        store: the agent's.
        pins: of the task.
    """

    def __init__(self, store: ContentStore, pins: TaskPins) -> None:
        self._store = store
        self._pins = pins

    async def put(self, data: bytes) -> ContentId:
        """Store, pinned, and name."""
        content = await self._store.put(data)
        self._pins.add(cid_text(content))
        return content

    def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """Stream."""
        return self._store.get(content)

    async def pin(self, content: ContentId) -> None:
        """Keep."""
        await self._store.pin(content)
        self._pins.add(cid_text(content))

    async def unpin(self, content: ContentId) -> None:
        """Let go."""
        await self._store.unpin(content)
        self._pins.remove({cid_text(content)})


def _read(file: Path | None) -> set[str]:
    """A half-written last line is of a content that is looked for under another name, and found by none."""
    return set(file.read_text(encoding="ascii").split()) if file is not None and file.exists() else set()
