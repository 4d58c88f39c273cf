"""What an exported file is to a reader that is not lenet_jax, and to a lenet_jax of another day."""

import json
import re
import sys

import jax
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
from test_export import call, digits, expected

import lenet_jax
from lenet_jax import export
from lenet_jax.config import Config
from lenet_jax.errors import UserError
from lenet_jax.export import Signature
from support.networks import ENSEMBLES, ONE_OF_EACH, TEMPERATURE, name, params, record

KINDS = [Config(), Config(activation="silu", subsampling="act_pool"), *ENSEMBLES]
OTHER_SIGNATURES = [Signature(pixels="float32"), Signature(batch=2)]


def written(folder, config, format, **options):
    path = folder / f"lenet5.{format}"
    export.write(path, format, record(config), params(config), TEMPERATURE, **options)
    return path


@pytest.mark.parametrize("config", KINDS, ids=name)
@pytest.mark.parametrize("signature", [Signature(), Signature(pixels="float32", batch=3)], ids=str)
def test_onnx_own_reader_computes_the_network(config, signature, tmp_path):
    path = written(tmp_path, config, "onnx", signature=signature)
    reader = onnx.reference.ReferenceEvaluator(onnx.load(path))
    (got,) = reader.run(None, {"images": digits()[:3].astype(signature.pixels)})
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected(config)[:3], atol=1e-5)


@pytest.mark.parametrize("config", KINDS, ids=name)
def test_onnxruntime_takes_batches_of_any_size_in_turn(config, tmp_path):
    session = onnxruntime.InferenceSession(written(tmp_path, config, "onnx"))
    for size in (3, 1000, 1, 0):
        (got,) = session.run(None, {"images": digits()[:size]})
        np.testing.assert_allclose(got, expected(config)[:size], atol=1e-5)


@pytest.mark.parametrize("format", ["onnx", "stablehlo"])
@pytest.mark.parametrize("signature", OTHER_SIGNATURES, ids=str)
def test_other_signatures_are_the_same_function(format, signature, tmp_path):
    path = written(tmp_path, Config(members=3), format, signature=signature)
    got = lenet_jax.load(path)(digits()[:5])
    np.testing.assert_allclose(got, expected(Config(members=3))[:5], atol=1e-5)


@pytest.mark.parametrize("config", [*ONE_OF_EACH, *ENSEMBLES], ids=name)
def test_onnx_leaves_nothing_to_a_readers_defaults(config, tmp_path):
    graph = onnx.load(written(tmp_path, config, "onnx")).graph
    wanted = {
        "Conv": {"kernel_shape", "strides", "pads", "dilations", "group"},
        "AveragePool": {"kernel_shape", "strides", "pads", "ceil_mode", "count_include_pad"},
        "Softmax": {"axis"},
        "InstanceNormalization": {"epsilon"},
        "Cast": {"to"},
    }
    for node in graph.node:
        assert {attribute.name for attribute in node.attribute} == wanted.get(node.op_type, set())
    names = [name for node in graph.node for name in (node.name, *node.input, *node.output)]
    assert all(name.isidentifier() for name in names)
    # What readers have got wrong.
    assert not {"ReduceMean", "LogSoftmax"} & {node.op_type for node in graph.node}
    inferred = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "lenet5.onnx")).graph
    for value in (*inferred.value_info, *inferred.output):
        _, *sizes = value.type.tensor_type.shape.dim
        assert all(size.dim_value for size in sizes), value.name


@pytest.mark.parametrize("config", KINDS, ids=name)
def test_an_onnx_file_that_is_sure_takes_no_logarithm_of_0(config, tmp_path):
    """Of which some readers make no number, without a word."""
    path = written(tmp_path, config, "onnx")
    file = onnx.load(path)
    constants = {constant.name: constant for constant in file.graph.initializer}
    sure = 1e4 * onnx.numpy_helper.to_array(constants["output_kernel"])
    constants["output_kernel"].CopyFrom(onnx.numpy_helper.from_array(sure, "output_kernel"))
    # Every value between, beside the answer.
    between = [name for node in file.graph.node[:-1] for name in node.output]
    file.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in between)
    session = onnxruntime.InferenceSession(file.SerializeToString())
    values = dict(zip(between, session.run(between, {"images": digits()[:50]}), strict=True))
    assert values["mean"].min() == 0
    assert all(np.isfinite(value).all() for value in values.values())
    assert (values["log_probabilities"].min(axis=1) == np.float32(np.log(1e-30))).all()


@pytest.mark.parametrize("pixels", ["uint8", "float32"])
def test_an_onnx_file_of_one_batch_size_says_so(pixels, tmp_path):
    signature = Signature(pixels=pixels, batch=7)
    session = onnxruntime.InferenceSession(written(tmp_path, Config(), "onnx", signature=signature))
    (images,) = session.get_inputs()
    assert images.shape == [7, 28, 28]
    assert images.type == {"uint8": "tensor(uint8)", "float32": "tensor(float)"}[pixels]
    assert session.get_outputs()[0].shape == [7, 10]


def test_stablehlo_of_one_batch_size_asserts_nothing(tmp_path):
    path = written(tmp_path, Config(), "stablehlo", signature=Signature(batch=1))
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    assert exported.in_avals[0].shape == (1, 28, 28)
    assert "custom_call" not in exported.mlir_module()


def test_a_file_says_what_is_known_of_its_network(tmp_path):
    told = onnx.load(written(tmp_path, Config(), "onnx", accuracy=0.9925)).metadata_props
    told = {entry.key: entry.value for entry in told}
    assert told["hold-out accuracy"] == "0.9925"
    assert told["data fingerprint"] == "0" * 16
    assert told["licence"] == "Apache-2.0"
    assert "include digits of Kaggle's test set" in told["scores on Kaggle's test set"]
    path = written(tmp_path, Config(), "stablehlo", accuracy=0.9925)
    *_, line = path.read_bytes().splitlines()
    in_stablehlo = json.loads(line)
    assert in_stablehlo.pop("jax") == jax.__version__
    assert "six months" in in_stablehlo.pop("promise")
    assert in_stablehlo == told


def test_the_accuracy_is_that_of_the_checkpoint():
    columns = ("holdout_accuracy", "ensemble_accuracy")
    alone = [dict(zip(columns, row, strict=True)) for row in [(0.98, None), (0.97, None)]]
    assert export.holdout_accuracy(alone, "latest") == 0.97
    assert export.holdout_accuracy(alone, "best") == 0.98
    together = [dict(zip(columns, row, strict=True)) for row in [(0.98, 0.985), (0.97, 0.99)]]
    assert export.holdout_accuracy(together, "latest") == 0.99
    assert export.holdout_accuracy([dict.fromkeys(columns)], "latest") is None


def test_a_file_of_another_jax_is_told_with_the_command(tmp_path):
    path = written(tmp_path, Config(), "stablehlo")
    content = path.read_bytes()
    # As jax 0.12 writes the assertion about shapes, in a way that 0.10 has not heard of.
    newer, count = re.subn(rb"custom_call_v\d", b"custom_call_v9", content)
    assert count
    ours = f'"jax": "{jax.__version__}"'.encode()
    path.write_bytes(newer.replace(ours, b'"jax": "99.1.0"'))
    with pytest.raises(UserError) as told:
        lenet_jax.load(path)
    assert "written by jax 99.1.0" in str(told.value)
    assert f"jax {jax.__version__} does not read it" in str(told.value)
    assert "with batch=1" in str(told.value)
    assert "python run_export.py --format=stablehlo" in str(told.value)
    assert "\n" not in str(told.value)


def test_foreign_files_are_told(tmp_path):
    from onnx import helper

    floats = [helper.make_tensor_value_info(end, 1, ["N", 3]) for end in "xy"]
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "foreign", floats[:1], floats[1:])
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, ir_version=7, opset_imports=opsets), tmp_path / "a.onnx")
    shape = jax.ShapeDtypeStruct((3,), np.float32)
    (tmp_path / "a.stablehlo").write_bytes(jax.export.export(jax.jit(abs))(shape).serialize())
    for ending in ("onnx", "stablehlo"):
        with pytest.raises(UserError, match=rf"^\S+a\.{ending}: is not a network that .*it takes"):
            lenet_jax.load(tmp_path / f"a.{ending}")


def test_an_onnxruntime_that_does_not_fit_is_no_damaged_file(tmp_path, monkeypatch, capfd):
    path = written(tmp_path, Config(), "onnx")
    # As onnxruntime 1.18 beside NumPy 2: half a page on stderr, and an error without a word.
    (tmp_path / "onnxruntime.py").write_text(
        "import sys; sys.stderr.write('\\nbuilt for NumPy 1\\n' * 9); raise ImportError"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime")
    with pytest.raises(UserError, match=r"cannot be imported \(built for NumPy 1\); .*pip install"):
        lenet_jax.load(path)
    assert capfd.readouterr().err == ""


def test_the_program_writes_other_signatures(trained, tmp_path):
    path = tmp_path / "lenet5.onnx"
    flags = ["--format=onnx", "--input=float32", "--batch=4", f"--output={path}"]
    call(f"--workdir={trained}", *flags, status=0)
    (images,) = onnxruntime.InferenceSession(path).get_inputs()
    assert (images.type, images.shape) == ("tensor(float)", [4, 28, 28])
    told = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert 0.9 < float(told["hold-out accuracy"]) <= 1
    np.testing.assert_allclose(
        lenet_jax.load(path)(digits(5)), lenet_jax.load(trained)(digits(5)), atol=1e-5
    )
