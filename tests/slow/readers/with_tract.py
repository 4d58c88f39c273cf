import exchange
import tract


def load(path):
    runnable = tract.onnx().load(path).into_model().into_runnable()
    return lambda images: runnable.run([images])[0].to_numpy()


exchange.main(load)
