"""What `run_train.py` and `run_predict.py` share: flags, messages and the exit status."""

import contextlib
import dataclasses
import importlib
import inspect
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import NoReturn

from absl import flags, logging
from ml_collections import config_flags

from lenet_jax import checkout, config, data, stopping
from lenet_jax.errors import UserError

USER_ERROR = 2
INTERRUPTED = 128 + signal.SIGINT
# SIGTERM's, by any name.
TERMINATED = 128 + 15
# What a shell makes of SIGPIPE, which Windows does not know.
UNREAD = 141

STATUS_HELP = f"""Exit status:
  {0:<3} done
  {USER_ERROR:<3} a mistake in what was given, told in one line
  {stopping.STOPPED:<3} stopped by Ctrl-C or SIGTERM after saving; the same command goes on
  {stopping.LOST:<3} another process of the run was lost; all of the same commands, again, go on
  {INTERRUPTED} stopped at once by Ctrl-C: nothing to save yet, or the second one
  {TERMINATED} stopped at once by SIGTERM, likewise
  {UNREAD} stopped at once: whoever read the output, head for one, has gone"""

_help = flags.DEFINE_bool("help", False, "Show this help.", short_name="h")
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
SHARED = (_keep, _platform, _coordinator, _num_processes, _process_id, _heartbeat)


def run(main: Callable[[], None], description: str) -> None:
    """Parses the command line, calls `main` and ends the process.

    The exit status is as `STATUS_HELP` says; a mistake of ours shows its traceback.

    Args:
      main: reads the flags and does the job.
      description: first part of the help text.
    """
    # XLA's own notes about the machine are no help to anybody here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Orbax warns of what we ask for on purpose, and logs the errors that it also raises.
    logging.set_verbosity(logging.FATAL)
    getLogger("asyncio").setLevel(CRITICAL)
    stopping.listen()
    try:
        rest = flags.FLAGS(sys.argv)
        if _help.value:
            print(_help_text(description), flush=True)
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
    except flags.Error as error:
        _die(f"{str(error).splitlines()[0]} (--help lists all flags)")
    except stopping.Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        print(f"to go on: {checkout.typed(sys.argv)}", file=sys.stderr)
        _end(stopping.STOPPED)
    except stopping.Terminated:
        print("terminated", file=sys.stderr)
        _end(TERMINATED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        _end(INTERRUPTED)
    except Exception as error:
        _end_if_lost(error)
        raise


def define_config() -> Callable[[], config.Config]:
    """Defines `--config`, and gives a function that reads it after the flags are parsed."""
    default = checkout.home() / "configs" / "default.py"
    try:
        _find_recipe(sys.argv)
        _check_config_flags(sys.argv[1:])
        holder = config_flags.DEFINE_config_file(
            "config",
            str(default),
            "Recipe: a Python file, which is executed; configs/ holds some.",
            lock_config=True,
        )
    except UserError as error:
        _die(str(error))
    return lambda: config.from_mapping(holder.value.to_dict())


@contextlib.contextmanager
def importing(*modules: str) -> Iterator[Callable[..., object]]:
    """Imports modules in turn, and JAX with them, while the body reads files.

    The body is given a function that has another one called after the imports. What has not begun
    when the body ends is left to whoever needs it, and a mistake in the files is told without
    waiting.
    """
    pool = ThreadPoolExecutor(1)
    for module in modules:
        pool.submit(importlib.import_module, module)
    read = False
    try:
        yield pool.submit
        read = True
    finally:
        pool.shutdown(wait=read, cancel_futures=True)


def compiled_folder() -> Path | None:
    """Where compiled programs are kept, None if the user wants none or has no cache folder."""
    return data.programs_folder() if _keep.value else None


def start_jax() -> None:
    """Prepares the devices and processes that the flags ask for; the second call does nothing.

    Raises:
      UserError: they are not there.
    """
    # Here, for importing JAX takes a second.
    from lenet_jax import hosts, mesh

    mesh.prepare(compiled_folder(), _platform.value)
    hosts.join(_coordinator.value, _num_processes.value, _process_id.value, _heartbeat.value)
    if _platform.value is not None:
        mesh.require(_platform.value)


def compile_ahead(room: str, *arguments: object) -> None:
    """Starts JAX and has a room compile what it will call; to be done while files are read."""
    start_jax()
    importlib.import_module(f"lenet_jax.{room}").compile_ahead(*arguments)


def tell(line: str | None) -> None:
    """Prints a line about the data, if there is one, on standard error, apart from the results."""
    if line is not None:
        print(line, file=sys.stderr)


def _find_recipe(arguments: list[str]) -> None:
    """Lets `--config=configs/fast.py` name a recipe that came with the package, from any folder."""
    for index, argument in enumerate(arguments):
        name, equals, path = argument.partition("=")
        if name not in ("-config", "--config"):
            continue
        if not equals and index + 1 < len(arguments):
            path = arguments[index + 1]
        shipped = checkout.home() / path
        if path and not Path(path).exists() and shipped.is_file():
            arguments[index : index + (1 if equals else 2)] = [f"{name}={shipped}"]
            return


def _check_config_flags(arguments: list[str]) -> None:
    """Finds mistakes that ml_collections would tell with a traceback."""
    known = [field.name for field in dataclasses.fields(config.Config)]
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-"):
            continue
        if name == "config":
            path = value if equals else following
            if path is None or not Path(path).is_file():
                raise UserError(f"--config={path}: no such file; see configs/ for recipes")
        field = name.removeprefix("no").removeprefix("config.")
        if name.removeprefix("no").startswith("config.") and field not in known:
            raise UserError(config.unknown_field(field, known))


def _help_text(description: str) -> str:
    # From a wheel the programs have other names.
    description = re.sub(r"python run_(\w+)\.py", lambda run: checkout.command(run[1]), description)
    lines = [description, "", "Flags:"]
    shared = [flags.FLAGS[holder.name] for holder in SHARED]
    ours = [*flags.FLAGS.get_flags_for_module(sys.argv[0]), *shared]
    for flag in sorted(ours, key=lambda flag: flag.name):
        default = "" if flag.default is None else flag.default
        lines.append(f"  --{flag.name}={default}")
        lines += textwrap.wrap(flag.help, 88, initial_indent=" " * 6, subsequent_indent=" " * 6)
    if "config" in flags.FLAGS:
        # The one place where the fields are documented is the docstring of Config.
        documented = inspect.getdoc(config.Config) or ""
        fields = documented.partition("Attributes:\n")[2]
        lines += ["", "Fields of the recipe, --config.FIELD=VALUE:", fields.rstrip()]
    return "\n".join([*lines, "", STATUS_HELP])


def _die(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    _end(USER_ERROR)


def _end_if_lost(error: BaseException | None) -> None:
    hosts = sys.modules.get("lenet_jax.hosts")
    if hosts is not None and hosts.is_loss(error):
        print(f"error: another process of this run was lost; {hosts.AGAIN}", file=sys.stderr)
        _end(stopping.LOST)


def _end(status: int) -> NoReturn:
    """Ends the process at once; Python would wait for what is compiled in the background."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
