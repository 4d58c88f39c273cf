#!/usr/bin/env bash
# jax 0.10.2: importing jax adds a function to `gc.callbacks`. A Ctrl-C that comes while it runs
# raises KeyboardInterrupt inside it, Python can only print "Exception ignored in", and the program
# goes on to status 0 as if nobody had asked. A program that must end installs a hook
# (`sys.unraisablehook`) and sends itself the signal again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 2>/dev/null
status=0
JAX_PLATFORMS=cpu "$folder/env/bin/python" - > "$folder/said" 2> "$folder/told" <<'PYTHON' || status=$?
import gc
import signal
import sys

import jax

names = [getattr(callback, "__name__", "") for callback in gc.callbacks]
print(f"jax {jax.__version__}: gc.callbacks has {names}")
sent = []


def press(frame, event, argument):
    """Ctrl-C, in the moment in which JAX's callback begins."""
    if event == "call" and frame.f_code.co_name == "_xla_gc_callback" and not sent:
        sent.append(True)
        signal.raise_signal(signal.SIGINT)


sys.setprofile(press)
gc.collect()
sys.setprofile(None)
print(f"Ctrl-C pressed: {bool(sent)}; the program is still here")
PYTHON
cat "$folder/said"
echo "status $status; standard error begins with: $(head -n 1 "$folder/told" | sed 's/ at 0x.*//')"
[ "$status" = 0 ]
grep -q "Ctrl-C pressed: True; the program is still here" "$folder/said"
grep -q "Exception ignored in" "$folder/told"
grep -q "KeyboardInterrupt" "$folder/told"
