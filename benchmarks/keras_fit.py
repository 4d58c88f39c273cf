"""Keras on TensorFlow, `fit`. Variants: auto, jit (`jit_compile=True`)."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
from common import arguments, load, measure, normalised
from keras import layers


def network(activation: str = "relu") -> keras.Model:
    """The same 61,706 parameters: convolution, pooling, squashing."""
    act, init = layers.Activation, {"kernel_initializer": "he_normal"}
    model = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            *(layers.Conv2D(6, 5, **init), layers.AveragePooling2D(2), act(activation)),
            *(layers.Conv2D(16, 5, **init), layers.AveragePooling2D(2), act(activation)),
            layers.Flatten(),
            layers.Dense(120, activation, name="c5", **init),
            layers.Dense(84, activation, name="f6", **init),
            layers.Dense(10, name="output"),
        ]
    )
    assert model.count_params() == 61_706
    return model


def main() -> None:
    """Adam, cross-entropy, shuffled epochs."""
    flags = arguments()
    images, labels = load(flags.digits)
    images_N = normalised(images)[..., None]
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled = True if flags.variant == "jit" else "auto"
    model.compile("adam", loss, jit_compile=compiled)

    def train() -> None:
        model.fit(images_N, labels, batch_size=flags.batch, verbose=0)

    def infer() -> None:
        model.predict(images_N, batch_size=flags.batch, verbose=0)

    measure(len(labels), flags.epochs, train, infer)


if __name__ == "__main__":
    main()
