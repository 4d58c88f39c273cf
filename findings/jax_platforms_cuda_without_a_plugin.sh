#!/usr/bin/env bash
# jax 0.10.2 on a machine without a GPU: JAX_PLATFORMS=rocm, or any word that is no platform, ends
# in a RuntimeError that names the platform and says what to do. JAX_PLATFORMS=cuda, which most
# people set, ends in an AssertionError without a word: the platform is left out silently, and
# `backends()` then asserts that something is left. A program that tells its users what is wrong
# cannot read it from the error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 2>/dev/null
for platform in rocm cuda; do
  JAX_PLATFORMS=$platform "$folder/env/bin/python" - 2>/dev/null <<'PYTHON' | tee "$folder/$platform"
import os

import jax

try:
    jax.devices()
except Exception as error:
    told = str(error).split(":")[0]
    print(f"jax {jax.__version__}, JAX_PLATFORMS={os.environ['JAX_PLATFORMS']}: "
          f"{type(error).__name__}({told!r})")
PYTHON
done
grep -q "RuntimeError(\"Unable to initialize backend 'rocm'\")" "$folder/rocm"
grep -q "AssertionError('')" "$folder/cuda"
