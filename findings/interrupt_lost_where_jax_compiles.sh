#!/usr/bin/env bash
# jax 0.10.2: where a compiled program's shardings are put together stands an `except:` that takes
# anything (`pxla._get_out_sharding_from_orig_sharding`). A Ctrl-C, or whatever a handler of SIGTERM
# raises, that comes in those microseconds is gone: nothing is printed, `compile()` returns as ever,
# and the program goes on to status 0. A program that must end notes the signal in its handler, too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 2>/dev/null
status=0
JAX_PLATFORMS=cpu "$folder/env/bin/python" - > "$folder/said" 2> "$folder/told" <<'PYTHON' || status=$?
import signal
import sys

import jax
import jax.numpy as jnp

sent = []


def press(frame, event, argument):
    """Ctrl-C, in the moment in which JAX looks for the sharding of a result."""
    if event == "call" and frame.f_code.co_name == "_gspmd_to_single_device_sharding" and not sent:
        sent.append(True)
        signal.raise_signal(signal.SIGINT)


one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
lowered = jax.jit(jnp.negative).lower(jax.ShapeDtypeStruct((), jnp.float32, sharding=one))
sys.setprofile(press)
compiled = lowered.compile()
sys.setprofile(None)
print(f"jax {jax.__version__}: Ctrl-C pressed: {bool(sent)}; compiled, -1 is {compiled(jnp.float32(1))}")
PYTHON
cat "$folder/said"
echo "status $status; standard error: $(cat "$folder/told")"
[ "$status" = 0 ]
[ ! -s "$folder/told" ]
grep -q "Ctrl-C pressed: True; compiled, -1 is -1.0" "$folder/said"
