# SPDX-License-Identifier: Apache-2.0
"""An attack on the update: one method makes the vector to send from what the scene shows."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.plugin import Attack, Scene, Vector, register

__all__ = ("Shuffle",)


@register("attack", "shuffle", source="an example")
@dataclass(frozen=True, kw_only=True)
class Shuffle(Attack):
    """The honest update with its numbers in another order, ``scale`` times as long: the same norm, no sense."""

    scale: float = 1.0

    async def craft(self, scene: Scene) -> Vector:
        """A permutation; chance comes from the scene, so that runs repeat."""
        shuffled: Vector = self.scale * scene.rng.permutation(scene.own)
        return shuffled
