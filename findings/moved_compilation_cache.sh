#!/usr/bin/env bash
# JAX's compilation cache finds nothing again once its folder is elsewhere, on a CPU too: the path of
# XLA's GPU autotuning cache, which lies in that folder, is part of the key of every program.
# Exit status 0 while that is so. jax_persistent_cache_enable_xla_caches="none" mends it.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv environment
environment/bin/python -m pip install --quiet jax==0.10.2 jaxlib==0.10.2
cat > compile.py <<'PROGRAM'
import sys

import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_enable_xla_caches", sys.argv[2])
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
jax.jit(lambda x: x * 2).lower(jax.ShapeDtypeStruct((8,), "float32")).compile()
print("hit" if "/jax/compilation_cache/cache_hits" in events else "miss")
PROGRAM
found() { environment/bin/python compile.py "$folder/$1" "$2"; }
default=xla_gpu_per_fusion_autotune_cache_dir
first=$(found a $default)
same=$(found a $default)
cp -r a b
moved=$(found b $default)
found c none > /dev/null
cp -r c d
without=$(found d none)
environment/bin/python -c 'import jax; print("jax", jax.__version__)'
echo "first: $first; the same folder again: $same; a copy of it: $moved; a copy, XLA's caches off: $without"
[ "$first $same $moved $without" = "miss hit miss hit" ]
