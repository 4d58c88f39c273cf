"""What the programs share: flags, messages and the exit status."""

import difflib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from lenet_jax import config, data
from lenet_jax.cli import command_line, recipe_flags, thread_errors, usage
from lenet_jax.config import recipes
from lenet_jax.environment import commands, packages, startup, variables
from lenet_jax.errors import Incomplete, UserError
from lenet_jax.runs import compilation_cache
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
  {preemption.LOST:<3} (or 134) another process of the run was lost; all the same commands go on
  {INTERRUPTED} stopped at once by Ctrl-C: nothing to save yet, or the second one
  {TERMINATED} stopped at once by SIGTERM, likewise
  {UNREAD} stopped at once: whoever read the output, head for one, has gone"""

_help = flags.DEFINE_bool("help", False, "Show this help.", short_name="h")
_help_full = flags.DEFINE_bool("helpfull", False, "Show it with all of every field.")
_version = flags.DEFINE_bool("version", False, "Show the versions of the project, Python and JAX.")
_keep = flags.DEFINE_bool(
    "compilation_cache",
    True,
    "Keep compiled programs in the user's cache folder, for the next start.",
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
    "num_processes", None, "How many the run has; 1 looks for no others.", 1
)
_process_id = flags.DEFINE_integer("process_id", None, "Which of them this one is, from 0.", 0)
_heartbeat = flags.DEFINE_integer(
    "heartbeat_timeout", 30, "Seconds after which a silent process counts as lost.", 1
)
_timeout = flags.DEFINE_integer(
    "initialization_timeout", 300, "Seconds to wait for each other at the start.", 1
)
SHARED = (command_line.OVERWRITE, _platform, _keep, _help, _help_full, _version)
SEVERAL = (_timeout, _coordinator, _num_processes, _process_id, _heartbeat)


def flag_values(own: flags.FlagValues) -> flags.FlagValues:
    """The flags of a program and those that all share, as before any command line was read."""
    values = flags.FlagValues()
    for part in (own, flags.FLAGS):
        values.append_flag_values(part)
        # So that those who defined them may read them; `run` reads the command line first.
        part.mark_as_parsed()
    for name in values:
        values[name].unparse()
    return values


def run(
    main: Callable[[], None],
    description: str,
    values: flags.FlagValues,
    arguments: Sequence[str] | None = None,
) -> None:
    """Parses the command line, calls `main` and ends the process.

    The exit status is as `STATUS_HELP` says; a mistake of ours shows its traceback.

    Args:
      main: reads the flags and does the job.
      description: first part of the help text.
      values: the program's `flag_values`.
      arguments: in place of the command line.
    """
    # XLA's own notes about the machine are no help to anybody here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    startup.begin()
    if not startup.is_interactive():
        # A notebook hands on a backend that another environment may lack; pictures need none.
        os.environ["MPLBACKEND"] = "agg"
    # Orbax warns of what we ask for on purpose, and logs the errors that it also raises.
    logging.set_verbosity(logging.FATAL)
    getLogger("asyncio").setLevel(CRITICAL)
    preemption.listen()
    thread_errors.tell_once()
    try:
        rest = values(command_line.read(values, tell) if arguments is None else arguments)
        if _help.value or _help_full.value or _version.value:
            print(
                usage.versions() if _version.value else _help_text(description, values), flush=True
            )
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
        _end_at_once(preemption.ended_by())
        _end_if_lost(error.__cause__)
        _die(str(error))
    except flags.UnrecognizedFlagError as error:
        _die(_unknown_flag(error.flagname, values))
    except Incomplete as error:
        print(f"error: {error}", file=sys.stderr)
        _end(INCOMPLETE)
    except flags.Error as error:
        _die(f"{error} (--help lists all flags)")
    except preemption.Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        print(f"to go on: {commands.typed(sys.argv)}", file=sys.stderr)
        _end(preemption.STOPPED)
    except KeyboardInterrupt as error:
        _end_at_once(error)
    except Exception as error:
        # Which a library has raised something else for.
        _end_at_once(preemption.ended_by())
        _end_if_lost(error)
        line = variables.mistaken(error)
        if isinstance(error, ModuleNotFoundError):
            line = packages.lacking(error)
        if line is None:
            raise
        _die(line)


class RecipeFlags(NamedTuple):
    """`--config` and the fields of a recipe.

    Attributes:
      name: of the recipe, or its file.
      arguments: the command line as `run` must parse it.
      config: the recipe with the fields that are given, once they are parsed.
    """

    name: str
    arguments: list[str]
    config: Callable[[], config.Config]


def define_config(values: flags.FlagValues) -> RecipeFlags:
    """Executes the recipe that the command line names, and defines flags for its fields."""
    try:
        name, arguments = recipe_flags.separate(command_line.read(values, tell))
        recipe = recipes.config_of(name)
    except UserError as error:
        _die(str(error))
    holder = config_flags.DEFINE_config_dict(
        "config",
        ConfigDict(recipe.as_dict()),
        "Recipe: the name of one of those below, or the path of a Python file, which is executed.",
        flag_values=values,
        sys_argv=arguments,
    )
    return RecipeFlags(name, arguments, lambda: config.from_mapping(holder.value.to_dict()))


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
    folder = compiled_folder()
    if folder is not None:
        compilation_cache.tend(folder)
    mesh.prepare(folder, _platform.value)
    several = _coordinator.value, _num_processes.value, _process_id.value
    multihost.join(*several, _heartbeat.value, _timeout.value, tell)
    if _platform.value is not None:
        mesh.require(_platform.value)


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


def _unknown_flag(name: str, values: flags.FlagValues) -> str:
    fields = [f"config.{field}" for field in recipe_flags.FIELDS] if "config" in values else []
    if f"config.{name}" in fields:
        return f"--{name}: no flag but a field of the recipe; give --config.{name}=VALUE"
    near = difflib.get_close_matches(name, list(values), n=2)
    near += difflib.get_close_matches(f"config.{name}", fields, n=2, cutoff=0.85)
    told = f"did you mean {' or '.join(f'--{flag}' for flag in near)}?" if near else ""
    return f"--{name}: there is no such flag; {told or '--help lists all'}"


def _help_text(description: str, values: flags.FlagValues) -> str:
    own = [
        values[name]
        for name in values
        if name not in flags.FLAGS and name.partition(".")[0] != "config"
    ]
    recipe: Any = values["config"] if "config" in values else None  # noqa: SIM401
    shared = [flags.FLAGS[holder.name] for holder in SHARED]
    several = [flags.FLAGS[holder.name] for holder in SEVERAL]
    return usage.text(
        description,
        [usage.of_flag(flag) for flag in (*own, *([] if recipe is None else [recipe]), *shared)],
        None if recipe is None else recipe.value.to_dict(),
        [usage.of_flag(flag) for flag in several],
        STATUS_HELP,
        full=_help_full.value,
    )


def _die(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    _end(USER_ERROR)


def _end_at_once(asked: KeyboardInterrupt | None) -> None:
    if asked is not None:
        terminated = isinstance(asked, preemption.Terminated)
        print("terminated" if terminated else "interrupted", file=sys.stderr)
        _end(TERMINATED if terminated else INTERRUPTED)


def _end_if_lost(error: BaseException | None) -> None:
    joined = sys.modules.get("lenet_jax.distributed.multihost")
    if joined is not None and joined.is_loss(error):
        print(f"error: another process of this run was lost; {joined.AGAIN}", file=sys.stderr)
        _end(preemption.LOST)


def _end(status: int) -> NoReturn:
    """Ends the process at once; Python would wait for what is compiled in the background.

    A kernel or a prompt, which is not ours to end, goes on.
    """
    if startup.is_interactive():
        raise SystemExit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
