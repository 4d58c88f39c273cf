"""Kaggle's zip to submission.csv with Keras: `configs/speedrun.py` but for its optimiser."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import math

import keras
import numpy as np
import tensorflow as tf
from common import finish, kaggle, normalised, submission_arguments, whitening
from keras_fit import network

BATCH = 128
RATE = 0.006
EMPTY = -0.1307 / 0.3081


def augment(x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A random affine map for each image: 8 degrees, scale 0.1, shear 0.1, shift of 1 pixel."""
    u = tf.unstack(tf.random.uniform((6, tf.shape(x)[0]), -1.0, 1.0))
    angle = u[0] * math.radians(8)
    cos, sin, shear = tf.cos(angle), tf.sin(angle), u[3] * 0.1
    height, width = 1 + u[1] * 0.1, 1 + u[2] * 0.1
    a, b = (shear * sin + cos) / width, (shear * cos - sin) / width
    d, e = sin / height, cos / height
    centre = 15.5
    right = u[5] + centre - centre * (a + b)
    down = u[4] + centre - centre * (d + e)
    zero = tf.zeros_like(a)
    maps = tf.stack([a, b, right, d, e, down, zero, zero], 1)
    return keras.ops.image.affine_transform(x, maps, fill_mode="constant", fill_value=EMPTY), labels


class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then half a cosine to 0."""

    def __init__(self, warm: float, steps: int) -> None:
        self.warm, self.steps = warm, steps

    def __call__(self, step):
        """The learning rate of a step."""
        step = tf.cast(step, tf.float32)
        done = tf.maximum(0.0, step - self.warm) / (self.steps - self.warm)
        return RATE * tf.minimum(1.0, step / self.warm) * 0.5 * (1 + tf.cos(math.pi * done))


def main() -> None:
    """Reads, trains, prints the accuracy of the hold-out and writes the submission."""
    flags = submission_arguments()
    keras.utils.set_random_seed(flags.seed)
    train, labels_N, test = kaggle(flags.data)
    images_N = normalised(train)[..., None]
    held_N = np.load(flags.held)
    used_N = np.setdiff1d(np.arange(len(train)), held_N)
    digits = tf.data.Dataset.from_tensor_slices(
        (images_N[used_N], keras.utils.to_categorical(labels_N[used_N], 10))
    )
    digits = digits.cache().shuffle(len(used_N)).batch(BATCH)
    digits = digits.map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    steps = math.ceil(len(used_N) / BATCH)
    model = network("silu")
    first, *_ = model.layers
    mixture = np.linalg.qr(np.random.default_rng(flags.seed).normal(size=(6, 6)))[0]
    first.kernel.assign((mixture @ whitening()).T.reshape(5, 5, 1, 6))
    # Its Muon is for matrices alone, and gives kernels of convolutions to Adam.
    optimizer = keras.optimizers.Nadam(
        WarmCosine(0.3 * steps, steps * flags.epochs), use_ema=True, ema_momentum=0.995
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(optimizer, loss)
    # At its end `fit` puts the averaged parameters in place.
    model.fit(digits, epochs=flags.epochs, verbose=0)
    right = predict(model, images_N[held_N]) == labels_N[held_N]
    digits_N = predict(model, normalised(test)[..., None])
    finish(right, digits_N, flags.output)


def predict(model: keras.Model, images_N: np.ndarray) -> np.ndarray:
    """Digits, [N]."""
    return model.predict(images_N, batch_size=1024, verbose=0).argmax(1)


if __name__ == "__main__":
    main()
