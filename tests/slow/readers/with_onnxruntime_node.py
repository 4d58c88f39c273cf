import subprocess
import sys
import tempfile
from pathlib import Path

import exchange
import numpy as np

# Beside node_modules, where Node looks.
PLACE = Path(sys.executable).parent.parent
SCRIPT = """
const runtime = require("onnxruntime-node");
const fs = require("fs");
const [model, type, pictures, answer, ...sizes] = process.argv.slice(2);
(async () => {
  const session = await runtime.InferenceSession.create(model);
  const bytes = fs.readFileSync(pictures);
  const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const data = type === "uint8" ? new Uint8Array(own) : new Float32Array(own);
  const images = new runtime.Tensor(type, data, sizes.map(Number));
  const { probabilities } = await session.run({ images });
  fs.writeFileSync(answer, Buffer.from(probabilities.data.buffer));
})();
"""


def load(path):
    script = PLACE / "run.js"
    script.write_text(SCRIPT)

    def run(images):
        with tempfile.TemporaryDirectory() as folder:
            pictures, answer = Path(folder, "pictures"), Path(folder, "answer")
            pictures.write_bytes(images.tobytes())
            command = ["node", script, path, images.dtype, pictures, answer, *images.shape]
            subprocess.run([str(word) for word in command], check=True, capture_output=True)
            return np.frombuffer(answer.read_bytes(), np.float32).reshape(-1, 10)

    return run


exchange.main(load)
