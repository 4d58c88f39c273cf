import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenet_jax.config import SWEPT, Config
from lenet_jax.training import population as populations
from support.digit_files import refused

LABELS = (np.arange(103) % 10).astype(np.int32)


@settings(max_examples=60)
@given(
    members=st.integers(1, 3),
    folds=st.sampled_from([0, 2, 3, 7]),
    holdout=st.sampled_from([0.0, 0.1, 0.4]),
    text=st.sampled_from(["", "elastic=0,1", "shift=1,2; dropout=0,0.1,0.2", "clip_norm=0,1"]),
    seed=st.integers(0, 1000),
)
def test_every_member_sees_all_but_what_is_held_out_of_it(members, folds, holdout, text, seed):
    config = Config(members=members, folds=folds, holdout=holdout, sweep=text, seed=seed)
    population = populations.make(config, LABELS)
    assert len(population) == config.num_models == config.models_per_fold * max(1, folds)
    assert population.seeds_M.tolist() == list(range(seed, seed + len(population)))
    for rows, held in zip(population.member.rows_R, population.held_MxV, strict=True):
        assert sorted([*rows[rows >= 0], *held[held >= 0]]) == list(range(len(LABELS)))
    held = population.held_rows
    assert len(set(held)) == len(held)
    if folds:
        assert sorted(held) == list(range(len(LABELS)))
        assert sorted(set(population.member.fold)) == list(range(folds))
    # Members that are averaged are held out of the same rows.
    per_fold = population.held_MxV.reshape(max(1, folds), config.models_per_fold, -1)
    assert (per_fold == per_fold[:, :1]).all()
    for field in SWEPT:
        asked = [
            population.trials[trial].get(field, getattr(config, field))
            for trial in population.trial_M
        ]
        np.testing.assert_allclose(getattr(population.member.hyper, field), asked, rtol=1e-6)
    # Every point in every fold as often.
    counts = np.unique([population.member.fold, population.trial_M], axis=1, return_counts=True)[1]
    assert (counts == members).all()


def test_shapes_are_known_before_the_labels():
    population = populations.make(Config(folds=2, sweep="elastic=0,1"), LABELS)
    shapes = populations.abstract(len(population), population.num_examples)
    for array, shape in zip(
        jax.tree.leaves(population.member), jax.tree.leaves(shapes), strict=True
    ):
        assert (array.shape, array.dtype) == (shape.shape, shape.dtype)


def test_parts_that_some_member_needs_are_there():
    config = Config(sweep="elastic=0,0.5; dropout=0.1,0", clip_norm=2.0)
    common = populations.common(config)
    assert (common.elastic, common.dropout, common.clip_norm, common.sweep) == (0.5, 0.1, 2.0, "")
    assert dataclasses.replace(common, elastic=0.0, dropout=0.0) == Config(clip_norm=2.0)


@pytest.mark.parametrize("text", ["elastic=-1", "dropout=1", "learning_rate=0"])
def test_a_point_out_of_range_is_told(text):
    field = text.partition("=")[0]
    assert refused(populations.make, Config(sweep=text), LABELS).startswith(f"config.{field}=")
