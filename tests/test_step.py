import dataclasses
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lenet_jax import metrics, models, sweep
from lenet_jax.config import Config
from lenet_jax.distributed import mesh as meshes
from lenet_jax.training import epoch, step
from lenet_jax.training import population as populations

# 150 images in batches of 64: the last batch holds 22, which no number of devices divides.
IMAGES, BATCH = 150, 64
STEPS = 3
STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0, "elastic": 0.0}
# All that the loss needs to fall, so that no test asks for a program of its own for it.
SHORT = {"holdout": 0.0, "epochs": 30, "batch_size": BATCH, "warmup_epochs": 1.0}


@functools.cache
def digits():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 28, 28)).astype(np.uint8)
    return images, rng.integers(0, 10, IMAGES).astype(np.int32)


def built(config, devices):
    """The programs depend on everything in the config but the seed."""
    return _built(Config(**config.as_dict() | {"seed": 0}), devices, os.environ.get("XLA_FLAGS"))


@functools.cache
def _built(config, devices, _):
    mesh = meshes.make(config.num_models, jax.devices()[:devices])
    return mesh, epoch.programs(populations.common(config), mesh, IMAGES)


@pytest.fixture
def compiled_as_by_users(monkeypatch):
    """Without optimisation the bits of a member depend on how many there are."""
    monkeypatch.delenv("XLA_FLAGS")


def begin(config, devices):
    mesh, compiled = built(config, devices)
    seeds = np.arange(config.seed, config.seed + config.num_models, dtype=np.uint32)
    return compiled.create(jax.device_put(seeds, meshes.stacked(mesh)))


def arrays(config, mesh):
    """The members, and the digits."""
    population = populations.make(config, digits()[1])
    member_M = jax.device_put(population.member, meshes.stacked(mesh))
    return member_M, *jax.device_put(digits(), meshes.replicated(mesh))


def train(config, devices, stops, state=None):
    mesh, compiled = built(config, devices)
    state = begin(config, devices) if state is None else state
    member_M, *data = arrays(config, mesh)
    for stop in stops:
        state = steps(compiled, state, member_M, *data, stop)
    return state


def steps(compiled, state, member_M, images, labels, stop, teacher=None):
    # Two programs with collectives in flight can starve each other of XLA:CPU's threads.
    shuffled_M = jax.block_until_ready(compiled.shuffle(state, member_M))
    return jax.block_until_ready(
        compiled.train_until(
            state, shuffled_M, images, labels, state.step[0], jnp.int32(stop), teacher
        )
    )


def leaves(state):
    """As NumPy arrays: whatever is done to these happens on no device."""
    tree = {**vars(state), "key": jax.random.key_data(state.key)}
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def assert_same(a, b):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def mean_loss(state):
    return float(np.sum(state.epoch_metrics.loss) / np.sum(state.epoch_metrics.count))


def distance(a, b):
    return max(
        float(np.abs(np.asarray(x) - np.asarray(y)).max())
        for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True)
    )


# Every program takes seconds to compile: one with all that is optional in it, and one without.
OPTIONAL = {"elastic": 0.5}
AUGMENTED = {**SHORT, **OPTIONAL}
CONFIG = Config(**AUGMENTED)
PLAIN = Config(**SHORT, **STILL)
augmented_and_plain = pytest.mark.parametrize("config", [CONFIG, PLAIN], ids=["augmented", "plain"])

SLOW = pytest.mark.slow


@augmented_and_plain
def test_an_epoch_sees_every_image_once_and_no_padding(config):
    state = train(config, 2, [STEPS])
    assert state.epoch_metrics.count.tolist() == [IMAGES]
    assert state.step.tolist() == [STEPS]


def test_every_epoch_has_an_order_of_its_own_from_its_first_step_to_its_last():
    mesh, compiled = built(CONFIG, 2)
    member_M = arrays(CONFIG, mesh)[0]
    orders = []
    for stops in ([], [1], [STEPS], [STEPS, STEPS + 1]):
        shuffled_M = compiled.shuffle(train(CONFIG, 2, stops), member_M)
        orders.append(np.asarray(shuffled_M.rows_R[0]).tolist())
    first, within, second, within_second = orders
    assert first == within != second == within_second
    assert sorted(first) == sorted(second) == list(range(IMAGES)) != first


def test_the_sums_begin_anew_with_each_epoch():
    state = train(CONFIG, 2, [STEPS, STEPS + 1])
    assert state.epoch_metrics.count.tolist() == [BATCH]


@pytest.mark.parametrize(
    ("platform", "order"),
    [("tpu", "pool_act"), ("gpu", "pool_act"), pytest.param("tpu", "act_pool", marks=SLOW)],
)
def test_the_programs_of_accelerators_give_the_numbers_of_a_cpu(platform, order, monkeypatch):
    """The compiler's convolutions and no gather, or all members at once."""
    config = Config(
        **SHORT, elastic=0.5, members=2, subsampling=order, activation="tanh", precision="highest"
    )
    on_cpu = train(config, 1, [2, STEPS])
    monkeypatch.setattr(meshes, "platform", lambda _: platform)
    mesh = meshes.make(2, jax.devices()[:1])
    compiled = epoch.programs(populations.common(config), mesh, IMAGES)
    state = compiled.create(jax.device_put(np.arange(2, dtype=np.uint32), meshes.stacked(mesh)))
    member_M, *data = arrays(config, mesh)
    begun = state, member_M, *data, jnp.int32(0), jnp.int32(1), None
    text = compiled.train_until.lower(*begun).as_text()
    assert ("stablehlo.convolution" in text) == (platform == "tpu")
    for stop in (2, STEPS):
        state = steps(compiled, state, member_M, *data, stop)
    for a, b in zip(leaves(on_cpu), leaves(state), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)


def test_stopping_inside_an_epoch_changes_no_bit():
    assert_same(train(CONFIG, 2, [1, 2, STEPS, 5, 6]), train(CONFIG, 2, [STEPS, 6]))


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    assert_same(train(CONFIG, 2, [STEPS]), train(CONFIG, 2, [STEPS]))
    other = Config(**AUGMENTED, seed=5)
    assert distance(train(CONFIG, 2, [STEPS]), train(other, 2, [STEPS])) > 1e-3


@pytest.mark.parametrize(
    "config", [CONFIG, pytest.param(PLAIN, marks=pytest.mark.slow)], ids=["augmented", "plain"]
)
def test_one_device_and_two_agree_to_rounding(config):
    # The first step of the warm-up has a learning rate of 0. Adam divides a gradient by its own
    # size, which lifts the rounding where a gradient is almost 0.
    one, two = train(config, 1, [2]), train(config, 2, [2])
    assert distance(one, begin(config, 1)) > 1e-3
    assert distance(one, two) < 1e-4
    # The short batch at the end of the epoch too.
    one, two = train(config, 1, [STEPS], one), train(config, 2, [STEPS], two)
    np.testing.assert_allclose(one.epoch_metrics.loss, two.epoch_metrics.loss, rtol=1e-5)


@pytest.mark.slow
@augmented_and_plain
def test_a_batch_in_several_turns_gives_the_same_to_rounding(monkeypatch, config):
    # 32 images on each of two devices, in turns of at most 10: some slots stay empty.
    whole = train(config, 2, [2])
    monkeypatch.setattr(models, "cpu_microbatch", lambda config: 10)
    mesh = meshes.make(1, jax.devices()[:2])
    compiled = epoch.programs(config, mesh, IMAGES)
    in_turns = steps(compiled, begin(config, 2), *arrays(config, mesh), 2)
    assert 0 < distance(whole, in_turns) < 1e-4
    np.testing.assert_allclose(whole.epoch_metrics.loss, in_turns.epoch_metrics.loss, rtol=1e-5)
    np.testing.assert_array_equal(whole.epoch_metrics.count, in_turns.epoch_metrics.count)


def test_an_image_is_augmented_alike_on_any_mesh():
    one, two, still = train(CONFIG, 1, [1]), train(CONFIG, 2, [1]), train(PLAIN, 1, [1])
    np.testing.assert_allclose(mean_loss(one), mean_loss(two), rtol=1e-5)
    assert abs(mean_loss(one) - mean_loss(still)) > 1e-4


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_by_users")
@pytest.mark.parametrize("devices", [1, 2])
def test_members_are_the_single_runs_with_their_seeds(devices):
    together = train(Config(**AUGMENTED, seed=3, members=4), devices, [STEPS, 6])
    for k in range(4):
        # On as many devices along the batch as each member has: one.
        alone = train(Config(**AUGMENTED, seed=3 + k), 1, [STEPS, 6])
        for x, y in zip(leaves(together), leaves(alone), strict=True):
            np.testing.assert_array_equal(x[k], y[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "compared"),
    [({"shift": 3.0}, (0, 1)), (OPTIONAL, (0,)), (OPTIONAL, (1,))],
    ids=["shift", "optional, none of it", "optional, all of it"],
)
def test_points_of_a_sweep_are_the_single_runs_with_their_numbers(fields, compared):
    text = ";".join(f"{name}=0,{value}" for name, value in fields.items())
    together, trials = train(Config(**SHORT, sweep=text), 2, [STEPS]), sweep.trials(text)
    for k in compared:
        alone = train(Config(**SHORT, seed=k, **trials[k]), 1, [STEPS])
        # To rounding: what both programs have in common may be fused in another way.
        for x, y in zip(leaves(together), leaves(alone), strict=True):
            np.testing.assert_allclose(x[k], y[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "exactly",
    [
        pytest.param(False, id="to rounding"),
        pytest.param(True, id="exactly", marks=pytest.mark.slow),
    ],
)
def test_networks_of_folds_and_a_sweep_are_the_single_runs_on_the_other_folds(exactly, request):
    if exactly:
        request.getfixturevalue("compiled_as_by_users")
    # Each fold leaves as many images as a single run of this file has.
    rng, folds = np.random.default_rng(1), 2
    images = rng.integers(0, 256, (folds * IMAGES, 28, 28)).astype(np.uint8)
    labels = (np.arange(len(images)) % 10).astype(np.int32)
    config = Config(**AUGMENTED, seed=3, folds=folds, sweep="shift=0,3")
    population = populations.make(config, labels)
    assert population.num_examples == IMAGES
    mesh = meshes.make(len(population), jax.devices()[:2])
    member_M = jax.device_put(population.member, meshes.stacked(mesh))
    compiled = epoch.programs(population.config, mesh, IMAGES)
    data = jax.device_put((images, labels), meshes.replicated(mesh))
    first = compiled.create(jax.device_put(population.seeds_M, meshes.stacked(mesh)))
    together = steps(compiled, first, member_M, *data, 2)
    each, ensemble, probabilities_FxVxK = compiled.evaluate(
        together.averaged_params, population.held_MxV, *data
    )
    assert each.count.tolist() == [IMAGES] * len(population)
    assert float(ensemble.count) == len(images)
    one, single = built(CONFIG, 1)
    said_MxVxK = []
    for network, (own, held) in enumerate(
        zip(population.member.rows_R, population.held_MxV, strict=True)
    ):
        # Numbers are data: the program is that of any single run.
        trial = Config(**AUGMENTED, shift=(0.0, 3.0)[network % 2])
        alone = steps(
            single,
            begin(Config(**AUGMENTED, seed=3 + network), 1),
            jax.device_put(populations.make(trial, labels[own]).member, meshes.stacked(one)),
            images[own],
            labels[own],
            2,
        )
        for x, y in zip(leaves(together), leaves(alone), strict=True):
            if exactly:
                np.testing.assert_array_equal(x[network], y[0])
            else:
                np.testing.assert_allclose(x[network], y[0], rtol=1e-3, atol=1e-5)
        params = jax.tree.map(lambda leaf: leaf[0], alone.averaged_params)
        logits = jax.jit(functools.partial(models.apply, CONFIG))(params, images[held])
        said_MxVxK.append(jax.nn.log_softmax(logits))
    averages = metrics.average_folds(jnp.stack(said_MxVxK), folds)
    np.testing.assert_allclose(probabilities_FxVxK, jnp.exp(averages), rtol=1e-4, atol=1e-6)


def test_a_network_learns_nothing_from_a_teacher_that_it_equals():
    # What it learns is of the labels' share.
    plain = {"optimizer": "sgd", "weight_decay": 0.0, "teacher": "t"}
    shares, text = [0.0, 0.5, 1.0], "teacher_temperature=1,4; teacher_weight=0,0.5,1"
    population = populations.make(Config(**SHORT, **plain, sweep=text), digits()[1])
    mesh = meshes.make(len(population), jax.devices()[:1])
    compiled = epoch.programs(population.config, mesh, IMAGES, Config())
    alone = begin(Config(**SHORT, optimizer="sgd"), 1)
    first = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * len(population)), alone)
    before = jax.tree.map(np.asarray, first.params)
    member_M = jax.device_put(population.member, meshes.stacked(mesh))
    # The same network twice says on average what it says once.
    teacher = jax.tree.map(lambda leaf: leaf[:2][None], before)
    # The warm-up starts at a rate of zero: the gradients of both steps are those of the start.
    after = steps(compiled, first, member_M, *digits(), 2, teacher)
    pairs = zip(jax.tree.leaves(after.params), jax.tree.leaves(before), strict=True)
    moved_MxD = np.concatenate([(x - y).reshape(len(population), -1) for x, y in pairs], axis=1)
    labels_D = moved_MxD[0]
    assert np.abs(labels_D).max() > 1e-4
    for moved_D, share in zip(moved_MxD, shares * 2, strict=True):
        np.testing.assert_allclose(moved_D, (1 - share) * labels_D, atol=1e-6)


def test_a_fold_is_taught_by_the_networks_that_do_not_see_it():
    # Another fold's teachers have been trained on its held-out digits, and would tell of them.
    plain = {"optimizer": "sgd", "weight_decay": 0.0, "folds": 2}
    population = populations.make(Config(**SHORT, **plain, teacher="t"), digits()[1])
    mesh = meshes.make(2, jax.devices()[:1])
    images = population.member.rows_R.shape[1]
    compiled = epoch.programs(population.config, mesh, images, Config())
    first = begin(Config(**SHORT, optimizer="sgd", members=2), 1)
    params_F = jax.tree.map(np.asarray, first.params)
    member_M = jax.device_put(population.member, meshes.stacked(mesh))

    def moved(teacher_F):
        # Each student starts as the network of its own fold's teacher.
        teacher = jax.tree.map(lambda leaf: leaf[:, None], teacher_F)
        after = steps(compiled, jax.tree.map(jnp.copy, first), member_M, *digits(), 2, teacher)
        pairs = zip(jax.tree.leaves(after.params), jax.tree.leaves(params_F), strict=True)
        return np.max([np.abs(x - y).reshape(2, -1).max(axis=1) for x, y in pairs], axis=0)

    assert moved(params_F).max() < 1e-6
    assert moved(jax.tree.map(lambda leaf: leaf[::-1], params_F)).min() > 1e-5


def test_the_networks_of_a_teacher_are_asked_in_turn():
    config = Config(**SHORT, optimizer="sgd", teacher="t", teacher_networks=2)
    population = populations.make(config, digits()[1])
    mesh = meshes.make(1, jax.devices()[:1])
    member_M = jax.device_put(population.member, meshes.stacked(mesh))
    alone = begin(Config(**SHORT, optimizer="sgd"), 1)
    three = begin(Config(**SHORT, optimizer="sgd", members=3, seed=1), 1).params
    three_FxT = jax.tree.map(lambda leaf: np.asarray(leaf)[None], three)

    def trained(config, stops, teachers):
        compiled = epoch.programs(config, mesh, IMAGES, Config())
        state = jax.tree.map(jnp.copy, alone)
        for stop, teacher in zip(stops, teachers, strict=True):
            state = steps(compiled, state, member_M, *digits(), stop, teacher)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.params)])

    def only(*networks):
        return jax.tree.map(lambda leaf: leaf[:, list(networks)], three_FxT)

    pairs = [(0, 1), (2, 0), (1, 2), (0, 1)]
    # Three steps are an epoch, and no call may reach into the next one.
    together = trained(config, [STEPS, 4], [three_FxT] * 2)
    all_of_them = dataclasses.replace(config, teacher_networks=0)
    one_by_one = trained(all_of_them, [1, 2, 3, 4], [only(*pair) for pair in pairs])
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    assert np.abs(together - trained(all_of_them, [STEPS, 4], [three_FxT] * 2)).max() > 1e-5


def test_a_step_is_the_optimiser_on_the_mean_gradient():
    plain = {"warmup_epochs": 0.0, "weight_decay": 0.0, **STILL}
    plain |= {"label_smoothing": 0.1, "dropout": 0.3}
    config = Config(holdout=0.0, epochs=1, batch_size=IMAGES + 11, optimizer="sgd", **plain)
    before = begin(config, 2)
    params = jax.tree.map(lambda leaf: np.asarray(leaf[0]), before.params)
    order_key = jax.random.fold_in(jax.random.fold_in(before.key[0], epoch.ORDER), 0)
    order = np.argsort(jax.random.bits(order_key, (IMAGES,)), stable=True)
    images, labels = (rows[order] for rows in digits())
    targets = 0.9 * np.eye(10, dtype=np.float32)[labels] + np.float32(0.01)
    step_key = jax.random.fold_in(before.key[0], 1)
    units = jax.random.uniform(jax.random.fold_in(step_key, epoch.DROPOUT), (IMAGES, models.F6))
    keep = jnp.where(units < 0.3, 0, 1 / 0.7)

    @jax.jit
    def reference(params):
        def loss(params):
            native = Config(**config.as_dict() | {"conv": "native"})
            logits = models.apply(native, params, jnp.asarray(images), keep)
            return optax.losses.softmax_cross_entropy(logits, targets).mean()

        value, grads = jax.value_and_grad(loss)(params)
        # Nesterov's first step: the momentum counts the gradient once more.
        rate = config.learning_rate * (1 + config.momentum)
        return value, jax.tree.map(lambda p, g: p - rate * g, params, grads)

    value, expected = reference(params)
    after = train(config, 2, [1], before)
    for got, want in zip(jax.tree.leaves(after.params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got[0], want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after.epoch_metrics.loss[0] / IMAGES, value, rtol=1e-5)


def test_averaging_rate_makes_the_debiased_average():
    decay, values = 0.9, np.random.default_rng(0).normal(size=12)
    average = 0.0
    for t, value in enumerate(values, 1):
        rate = float(step._averaging_rate(decay, jnp.int32(t)))
        average += rate * (value - average)
        weights = decay ** np.arange(t - 1, -1, -1.0)
        np.testing.assert_allclose(average, np.average(values[:t], weights=weights), rtol=1e-5)


def test_without_averaging_the_average_is_the_parameters():
    state = train(Config(**AUGMENTED, ema_decay=0.0), 2, [STEPS])
    for a, b in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(state.averaged_params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_run_compiles_its_steps_once():
    compiled = []

    def listen(event, _, fun_name="", **__):
        # By name: what else is compiled are conversions of a number.
        if event == "/jax/core/compile/backend_compile_duration" and "train_until" in fun_name:
            compiled.append(fun_name)

    config = Config(**AUGMENTED, label_smoothing=0.1)
    state = train(config, 2, [])
    jax.monitoring.register_event_duration_secs_listener(listen)
    # Between epochs, inside of one, and for the last batch.
    train(config, 2, [1, 2, STEPS, 4, 6], state)
    assert len(compiled) == 1


def test_the_loss_falls():
    first = train(PLAIN, 2, [STEPS])
    start = mean_loss(first)
    assert mean_loss(train(PLAIN, 2, range(6, 31, 3), first)) < 0.8 * start


@pytest.mark.parametrize("part", ["params", "averaged_params", "opt_state"])
def test_a_step_that_overflows_is_told_by_the_loss(part):
    fine = epoch._telling_of_overflow(train(CONFIG, 1, [1]))
    assert np.isfinite(fine.epoch_metrics.loss).all()
    broken = jax.tree.map(
        lambda leaf: leaf * jnp.inf if jnp.isdtype(leaf.dtype, "real floating") else leaf,
        getattr(fine, part),
    )
    sums = epoch._telling_of_overflow(dataclasses.replace(fine, **{part: broken})).epoch_metrics
    assert np.isnan(sums.loss).all()
    np.testing.assert_array_equal(sums.count, fine.epoch_metrics.count)
