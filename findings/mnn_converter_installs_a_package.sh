#!/usr/bin/env bash
# MNN 3.6.1: the first start of `mnnconvert`, on any file, runs `pip install -U
# aliyun-log-python-sdk` by the shell, in whatever environment the first `pip` of the PATH belongs
# to, without a word of it in its help. Who pins an environment finds it, or another one, changed;
# the conversion itself needs no such package.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet MNN==3.6.1 onnx==1.23.2 numpy 2>/dev/null
mkdir "$folder/bin"
# Tells what it is asked for, and installs nothing.
printf '#!/bin/sh\necho "$@" >> "%s/asked"\nexit 1\n' "$folder" > "$folder/bin/pip"
chmod +x "$folder/bin/pip"
"$folder/env/bin/python" - "$folder/net.onnx" <<'PYTHON'
import sys
import onnx
from onnx import TensorProto, helper

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
onnx.checker.check_model(model)
onnx.save(model, sys.argv[1])
PYTHON
status=0
PATH="$folder/bin:$PATH" "$folder/env/bin/mnnconvert" -f ONNX --modelFile "$folder/net.onnx" \
  --MNNModel "$folder/net.mnn" --bizCode test > "$folder/said" 2>&1 || status=$?
echo "MNN 3.6.1, mnnconvert of a graph of one Relu: status $status"
echo "pip was asked: $(cat "$folder/asked" 2>/dev/null || echo nothing)"
tail -n 1 "$folder/said"
[ "$(head -n 1 "$folder/asked")" = "install -U aliyun-log-python-sdk" ]
[ "$status" = 0 ]
[ -s "$folder/net.mnn" ]
