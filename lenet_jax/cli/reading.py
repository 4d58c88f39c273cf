"""Reads digits while JAX starts and compiles what they will be given to."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lenet_jax.cli import program
from lenet_jax.data import Dataset


def load(
    read: Callable[..., Dataset],
    source: str,
    module: str,
    compiler: str = "",
    /,
    *arguments: object,
    **how: object,
) -> Dataset:
    """Reads digits, and starts JAX; meanwhile has a room compile what it will call.

    Args:
      read: a function of `lenet_jax.data`.
      source: the value of `--data`.
      module: imported meanwhile, and JAX with it.
      compiler: whose `compile_ahead` is called if rows can be counted ahead; empty for none.
      *arguments: of `compile_ahead`, before the number of rows.
      **how: of `read`.

    Raises:
      UserError: the digits cannot be read, or the devices are not there.
    """

    def compile_ahead(rows: int) -> None:
        program.start_jax()
        importlib.import_module(compiler).compile_ahead(*arguments, rows)

    with _importing(module) as then:
        how["counted"] = partial(then, compile_ahead) if compiler else None
        dataset = read(source, say=program.tell, **how)
    program.start_jax()
    return dataset


@contextlib.contextmanager
def _importing(module: str) -> Iterator[Callable[..., object]]:
    """Imports a module while the body reads files.

    The body is given a function that has another one called after the import. What has not begun
    when the body ends is left to whoever needs it, and a mistake in the files is told without
    waiting.
    """
    pool = ThreadPoolExecutor(1)
    imported = pool.submit(importlib.import_module, module)
    read = False
    try:
        yield pool.submit
        read = True
    finally:
        pool.shutdown(wait=read, cancel_futures=True)
    # Its own error: what is imported anew after it fails in other words.
    if not imported.cancelled():
        imported.result()
