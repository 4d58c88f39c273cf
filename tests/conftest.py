import atexit
import os
import shutil
import tempfile

# Before anything of the package is imported: no test reads or writes the user's own cache.
os.environ["LENET_JAX_CACHE"] = tempfile.mkdtemp(prefix="lenet-jax-tests-")
atexit.register(shutil.rmtree, os.environ["LENET_JAX_CACHE"], ignore_errors=True)
