"""Variables of the shell that JAX does not take; read without JAX, whose import they may end."""

import os
import re
import traceback
from collections.abc import Mapping

# How JAX speaks of them, where it is imported and where it starts its devices.
_SIGNS = re.compile(
    "invalid truth value|Invalid value .* for JAX flag|Unable to initialize backend|Unknown backend"
    "|starts no backend"
)


def mistaken(error: BaseException, environment: Mapping[str, str] | None = None) -> str | None:
    """One line about an error that a variable of JAX's has caused, None for any other error.

    Args:
      error: that was raised.
      environment: that of the process if it is None.

    Examples:
      >>> error = RuntimeError("Unknown backend foo")
      >>> mistaken(error, {"JAX_PLATFORM_NAME": "foo"})
      'JAX_PLATFORM_NAME=foo: not what JAX takes (Unknown backend foo); mend it or unset it'
    """
    reason = " ".join(str(error).split())[:300]
    environment = os.environ if environment is None else environment
    # Asked for CUDA alone where there is no GPU, JAX says nothing at all.
    if isinstance(error, AssertionError) and _is_of_backends(error):
        reason = "it starts no backend here"
    set_here = {name: value for name, value in environment.items() if name.startswith("JAX_")}
    if not set_here or not _SIGNS.search(reason):
        return None
    # Without a name in the reason it may be any of them, and a backend names the wrong one.
    named = [name for name in set_here if re.search(rf"\b{name}\b", reason, re.IGNORECASE)]
    if "backend" in reason:
        named = []
    told = ", ".join(f"{name}={set_here[name]}" for name in named or sorted(set_here))
    return f"{told}: not what JAX takes ({reason}); mend it or unset it"


def _is_of_backends(error: BaseException) -> bool:
    last = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return last[-1:] == ["jax._src.xla_bridge"]
