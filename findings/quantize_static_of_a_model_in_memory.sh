#!/usr/bin/env bash
# onnxruntime 1.20.1 beside onnx 1.17.0: `quantize_static` takes a model in memory, writes it into a
# temporary folder with its weights as external data, and then cannot find them: it reads them from
# another place than the one they were written to. The error names a file that nobody has asked
# for. With onnxruntime 1.21.0 the same call writes its file; so does 1.20.1 with the path of a file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/quantise.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

folder, way = Path(sys.argv[1]), sys.argv[2]
# 1,024 bytes: from that size on weights are external data.
weights = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16]) for name in "xy")
node = helper.make_node("MatMul", ["x", "w"], ["y"], "product")
graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, folder / "model.onnx")


class Reader(quantization.CalibrationDataReader):
    batches = iter([{"x": np.ones((1, 16), np.float32)}])

    def get_next(self):
        return next(self.batches, None)


given = model if way == "memory" else folder / "model.onnx"
name = f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}, model by {way}"
try:
    quantization.quantize_static(given, folder / "small.onnx", Reader())
except Exception as error:
    print(f"{name}: {type(error).__name__}: {str(error).split(folder.name)[0][:90]}")
else:
    print(f"{name}: written")
PYTHON
for version in 1.20.1 1.21.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet "onnxruntime==$version" onnx==1.17.0 numpy==2.2.6 2>/dev/null
  for way in memory path; do
    "$folder/$version/bin/python" "$folder/quantise.py" "$folder" "$way" 2>/dev/null | tee -a "$folder/said"
  done
done
[ "$(grep -c ': written$' "$folder/said")" = 3 ]
grep -q "1.20.1.*memory: ValidationError" "$folder/said"
