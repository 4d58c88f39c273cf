"""What `run_train.py` and `run_predict.py` share: flags, messages and the exit status."""

import contextlib
import difflib
import importlib
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import metadata
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any, NoReturn

from absl import flags, logging
from ml_collections import config_flags

from lenet_jax import __version__, config, data
from lenet_jax.cli import recipes, usage
from lenet_jax.environment import commands, variables
from lenet_jax.errors import Incomplete, UserError
from lenet_jax.training import preemption

USER_ERROR = 2
INCOMPLETE = 3
INTERRUPTED = 128 + signal.SIGINT
# SIGTERM's, by any name.
TERMINATED = 128 + 15
# What a shell makes of SIGPIPE, which Windows does not know.
UNREAD = 141

STATUS_HELP = f"""Exit status:
  {0:<3} done
  {USER_ERROR:<3} a mistake in what was given, told in one line
  {INCOMPLETE:<3} done but for pictures that could not be read, each told in one line
  {preemption.STOPPED:<3} stopped by Ctrl-C or SIGTERM after saving; the same command goes on
  {preemption.LOST:<3} another process of the run was lost; all the same commands go on
  {INTERRUPTED} stopped at once by Ctrl-C: nothing to save yet, or the second one
  {TERMINATED} stopped at once by SIGTERM, likewise
  {UNREAD} stopped at once: whoever read the output, head for one, has gone"""

_help = flags.DEFINE_bool("help", False, "Show this help.", short_name="h")
_help_full = flags.DEFINE_bool("helpfull", False, "Show it with all of every field.")
_version = flags.DEFINE_bool("version", False, "Show the versions of the project, Python and JAX.")
_keep = flags.DEFINE_bool(
    "compilation_cache",
    True,
    "Keep compiled programs in the user's cache folder, for the next start; --nocompilation_cache "
    "keeps none.",
)
_platform = flags.DEFINE_enum(
    "platform",
    None,
    ["cpu", "gpu", "tpu"],
    "Where to compute; an error if it is not there. Left out, the best there is.",
)
_coordinator = flags.DEFINE_string(
    "coordinator",
    None,
    "HOST:PORT of process 0, for a run of several processes. JAX finds it and the next two itself "
    "under Slurm, Open MPI, Kubernetes (indexed jobs) and on TPU pods.",
)
_num_processes = flags.DEFINE_integer(
    "num_processes", None, "How many processes the run has; 1 looks for no others.", 1
)
_process_id = flags.DEFINE_integer("process_id", None, "Which of them this one is, from 0.", 0)
_heartbeat = flags.DEFINE_integer(
    "heartbeat_timeout", 30, "Seconds after which a silent process counts as lost.", 1
)
_timeout = flags.DEFINE_integer(
    "initialization_timeout", 300, "Seconds that processes wait for each other at the start.", 1
)
SHARED = (_platform, _keep, _help, _help_full, _version)
SEVERAL = (_timeout, _coordinator, _num_processes, _process_id, _heartbeat)

# Of the command line, recipes by their names and `--config` before its fields.
_arguments: list[str] | None = None


def done_but_for(left_out: Sequence[str]) -> None:
    """Raises Incomplete if something, each told in a line of its own before, was left out."""
    if left_out:
        raise Incomplete(f"{len(left_out)} left out, named above; the rest is answered")


def run(main: Callable[[], None], description: str) -> None:
    """Parses the command line, calls `main` and ends the process.

    The exit status is as `STATUS_HELP` says; a mistake of ours shows its traceback.

    Args:
      main: reads the flags and does the job.
      description: first part of the help text.
    """
    # XLA's own notes about the machine are no help to anybody here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A notebook hands on a backend that another environment may not have; pictures need none.
    os.environ["MPLBACKEND"] = "agg"
    # Orbax warns of what we ask for on purpose, and logs the errors that it also raises.
    logging.set_verbosity(logging.FATAL)
    getLogger("asyncio").setLevel(CRITICAL)
    preemption.listen()
    try:
        rest = flags.FLAGS(sys.argv if _arguments is None else _arguments)
        if _help.value or _help_full.value or _version.value:
            print(_versions() if _version.value else _help_text(description), flush=True)
            sys.exit(0)
        if len(rest) > 1:
            raise UserError(f"{rest[1]!r}: not a flag; values are given as --flag=value")
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Or the last flush would tell of it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _end(UNREAD)
    except UserError as error:
        _end_if_lost(error.__cause__)
        _die(str(error))
    except flags.UnrecognizedFlagError as error:
        _die(_unknown_flag(error.flagname))
    except Incomplete as error:
        print(f"error: {error}", file=sys.stderr)
        _end(INCOMPLETE)
    except flags.Error as error:
        _die(f"{str(error).splitlines()[0]} (--help lists all flags)")
    except preemption.Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        print(f"to go on: {commands.typed(sys.argv)}", file=sys.stderr)
        _end(preemption.STOPPED)
    except preemption.Terminated:
        print("terminated", file=sys.stderr)
        _end(TERMINATED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        _end(INTERRUPTED)
    except Exception as error:
        _end_if_lost(error)
        line = variables.mistaken(error)
        if isinstance(error, ModuleNotFoundError):
            line = commands.lacking(error)
        if line is None:
            raise
        _die(line)


def define_config() -> Callable[[], config.Config]:
    """Defines `--config`, and gives a function that reads it after the flags are parsed."""
    global _arguments
    try:
        _arguments = recipes.resolved(sys.argv)
        holder = config_flags.DEFINE_config_file(
            "config",
            str(recipes.shipped()["default"]),
            "Recipe: the name of one of those below, or the path of a Python file, which is "
            "executed.",
            lock_config=True,
            sys_argv=_arguments,
        )
    except UserError as error:
        _die(str(error))
    return lambda: config.from_mapping(holder.value.to_dict())


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


def compiled_folder() -> Path | None:
    """Where compiled programs are kept, None if the user wants none or has no cache folder."""
    return data.programs_folder() if _keep.value else None


def start_jax() -> None:
    """Prepares the devices and processes that the flags ask for; the second call does nothing.

    Raises:
      UserError: they are not there.
    """
    # Here, for importing JAX takes a second.
    from lenet_jax.distributed import mesh, multihost, settings

    for line in settings.drop_unknown_flags() + settings.take_over():
        tell(line)
    mesh.prepare(compiled_folder(), _platform.value)
    several = _coordinator.value, _num_processes.value, _process_id.value
    multihost.join(*several, _heartbeat.value, _timeout.value, tell)
    if _platform.value is not None:
        mesh.require(_platform.value)


def load(
    read: Callable[..., data.Dataset],
    source: str,
    module: str,
    room: str = "",
    /,
    *arguments: object,
    **how: object,
) -> data.Dataset:
    """Reads digits, and starts JAX; meanwhile has a room compile what it will call.

    Args:
      read: a function of `lenet_jax.data`.
      source: the value of `--data`.
      module: imported meanwhile, and JAX with it.
      room: whose `compile_ahead` is called if rows can be counted ahead; empty for none.
      *arguments: of `compile_ahead`, before the number of rows.
      **how: of `read`.

    Raises:
      UserError: the digits cannot be read, or the devices are not there.
    """

    def compile_ahead(rows: int) -> None:
        start_jax()
        importlib.import_module(room).compile_ahead(*arguments, rows)

    with _importing(module) as then:
        how["counted"] = partial(then, compile_ahead) if room else None
        dataset = read(source, say=tell, **how)
    start_jax()
    return dataset


def tell(line: str | None) -> None:
    """Prints a line about the data, if there is one, on standard error, apart from the results."""
    if line is not None:
        print(line, file=sys.stderr)


def refuse(holders: Sequence[flags.FlagHolder[Any]], why: str, *, when: bool) -> None:
    """Refuses flags that have no effect, for who gives one expects something of it.

    Args:
      holders: of the flags.
      why: completes the line that begins with the flags.
      when: they have none.

    Raises:
      UserError: one of them was given.
    """
    given = [f"--{flag.name}" for flag in holders if flag.present and flag.value is not False]
    if when and given:
        raise UserError(f"{', '.join(given)}: without effect, for {why}; leave it out")


def _unknown_flag(name: str) -> str:
    fields = [f"config.{field}" for field in recipes.FIELDS] if "config" in flags.FLAGS else []
    if f"config.{name}" in fields:
        return f"--{name}: no flag but a field of the recipe; give --config.{name}=VALUE"
    near = difflib.get_close_matches(name, list(flags.FLAGS), n=2)
    near += difflib.get_close_matches(f"config.{name}", fields, n=2, cutoff=0.85)
    told = f"did you mean {' or '.join(f'--{flag}' for flag in near)}?" if near else ""
    return f"--{name}: there is no such flag; {told or '--help lists all'}"


def _help_text(description: str) -> str:
    own = flags.FLAGS.get_flags_for_module(sys.argv[0])
    configured = "config" in flags.FLAGS
    recipe: Any = flags.FLAGS["config"] if configured else None
    shared = [flags.FLAGS[holder.name] for holder in SHARED]
    several = [flags.FLAGS[holder.name] for holder in SEVERAL]
    return usage.text(
        description,
        [_shown(flag) for flag in (*own, *([] if recipe is None else [recipe]), *shared)],
        None if recipe is None else recipe.value.to_dict(),
        [_shown(flag) for flag in several],
        STATUS_HELP,
        whole=_help_full.value,
    )


def _shown(flag: flags.Flag) -> usage.Flag:
    default = "default" if flag.name == "config" else flag.default
    return usage.Flag(flag.name, default, getattr(flag.parser, "enum_values", ()), flag.help)


def _versions() -> str:
    jax = metadata.version("jax")
    return f"lenet-jax {__version__} (Python {platform.python_version()}, jax {jax})"


def _die(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    _end(USER_ERROR)


def _end_if_lost(error: BaseException | None) -> None:
    hosts = sys.modules.get("lenet_jax.distributed.multihost")
    if hosts is not None and hosts.is_loss(error):
        print(f"error: another process of this run was lost; {hosts.AGAIN}", file=sys.stderr)
        _end(preemption.LOST)


def _end(status: int) -> NoReturn:
    """Ends the process at once; Python would wait for what is compiled in the background."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
