import contextlib
import functools
import http.server
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import exchange
import numpy as np

sys.path.append(str(Path(__file__).parents[2]))
from support import browser

DIST = Path(sys.executable).parents[1] / "node_modules" / "onnxruntime-web" / "dist"
PAGE = '<!doctype html><link rel="icon" href="data:,"><script src="dist/ort.wasm.min.js"></script>'
RUN = """
const [type, pixels, shape, done] = arguments;
(async () => {
  ort.env.wasm.numThreads = 1;
  window.session ??= await ort.InferenceSession.create("lenet5.onnx");
  const data = type === "uint8" ? Uint8Array.from(pixels) : Float32Array.from(pixels);
  const images = new ort.Tensor(type, data, shape);
  done(Array.from((await session.run({ images })).probabilities.data));
})().catch((error) => done(String(error)));
"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def load(path):
    # Ended with the process, for there is no more than one network in it.
    rest = contextlib.ExitStack()
    folder = Path(rest.enter_context(tempfile.TemporaryDirectory()))
    (folder / "index.html").write_text(PAGE)
    (folder / "dist").symlink_to(DIST)
    shutil.copy(path, folder / "lenet5.onnx")
    handler = functools.partial(_Silent, directory=folder)
    server = rest.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rest.callback(server.shutdown)
    page = rest.enter_context(browser.chromium(rest.enter_context(tempfile.TemporaryDirectory())))
    page.get(f"http://127.0.0.1:{server.server_port}/")
    load.rest = rest

    def run(images):
        pixels = images.ravel().tolist()
        answer = page.execute_async_script(RUN, str(images.dtype), pixels, list(images.shape))
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return np.array(answer).reshape(-1, 10)

    return run


try:
    exchange.main(load)
finally:
    load.rest.close()
