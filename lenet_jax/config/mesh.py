"""What `Config.mesh` asks for."""

import re

from lenet_jax.errors import UserError

MESH_AXES = ("member", "batch")


def mesh_sizes(mesh: str, members: int) -> tuple[int, int] | None:
    """Sizes of the (member, batch) axes that `Config.mesh` asks for, None for `auto`.

    Raises:
      UserError: it is not of the form `member:4,batch:2`, or members cannot be split so.
    """
    if mesh == "auto":
        return None
    sizes: dict[str, int] = {}
    for part in mesh.split(","):
        axis, _, size = part.strip().partition(":")
        if axis not in MESH_AXES or axis in sizes or not re.fullmatch("[1-9][0-9]{0,6}", size):
            raise UserError(f"config.mesh={mesh!r}: give auto, or sizes like member:4,batch:2")
        sizes[axis] = int(size)
    member, batch = (sizes.get(axis, 1) for axis in MESH_AXES)
    if members % member:
        raise UserError(
            f"config.mesh={mesh!r}: {members} member{'s' * (members > 1)} cannot be split evenly "
            f"over member:{member}; config.members must be a multiple of it"
        )
    return member, batch
