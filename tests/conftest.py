import os
import tempfile

# Before anything of the package is imported: no test reads or writes the user's own cache.
os.environ["LENET_JAX_CACHE"] = tempfile.mkdtemp(prefix="lenet-jax-tests-")
