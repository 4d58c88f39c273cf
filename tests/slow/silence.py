"""What must be said, and what must not end a run, each with its promised outcome."""

import random
import signal
import socket

from faults import EPOCHS
from programs import after, assert_same_run, ended, mistake, train

INTERRUPTS = 20


def streams_closed_and_no_report(base, reference):
    """Status 0, the same bits, without streams, a backend or a place for the report."""
    (base / "w").mkdir()
    (base / "w" / "report").touch()
    within = ("sh", "-c", 'MPLBACKEND=nonsense exec "$@" <&- >&- 2>&-', "sh")
    # The folder holds what no run has written.
    ended(train(base / "w", EPOCHS, "--overwrite", within=within), 0)
    assert_same_run(reference, base / "w")
    assert (base / "w" / "README.md").exists()


def a_process_that_never_comes(base, reference):
    """One line that names whom it waits for and for how long, status 2; nothing is written."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = (f"--coordinator=127.0.0.1:{port}", "--num_processes=2", "--initialization_timeout=2")
    for number, whom in ((0, "the others at"), (1, "process 0, which does not answer at")):
        process = train(base / "w", *flags, f"--process_id={number}")
        mistake(process, f"Process {number} of 2 waits for {whom} 127.0.0.1:{port}")
    assert not (base / "w").exists()


def interrupts_during_the_start(base, reference):
    """20 at random moments of its first 2 s: one word, status 130, never a traceback."""
    rng = random.Random(0)
    for _ in range(INTERRUPTS):
        process = train(base / "w", EPOCHS)
        # Python itself takes tenths of a second, on a busy machine, until anything of ours runs.
        after(rng.uniform(0.5, 2.0))(process)
        process.send_signal(signal.SIGINT)
        assert ended(process, 130) == "interrupted\n"


ALL = (streams_closed_and_no_report, a_process_that_never_comes, interrupts_during_the_start)
