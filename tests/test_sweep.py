import math

import pytest

from lenet_jax import sweep
from lenet_jax.config import SWEPT, Config
from support.digit_files import refused


def test_no_sweep_is_one_point_that_changes_nothing():
    assert sweep.trials("") == [{}]


def test_every_combination_is_a_point():
    trials = sweep.trials("learning_rate=1e-3,2e-3, 4e-3 ; elastic=0,1; ")
    assert len(trials) == math.prod([3, 2])
    assert trials[1] == {"learning_rate": 1e-3, "elastic": 1.0}
    assert len({tuple(trial.items()) for trial in trials}) == 6


@pytest.mark.parametrize(
    "text",
    ["elastic", "elastic=", "elastic=a", "elastic=1;elastic=2", "elastic=nan", "=1"],
)
def test_what_is_no_sweep_is_told(text):
    assert refused(sweep.trials, text).startswith("config.sweep: ")


def test_only_numbers_that_are_data_of_the_program_are_swept():
    text = refused(lambda: Config(sweep="elastic=0,1; epochs=1,2"))
    assert text.startswith("config.sweep: 'epochs' must be one of ")
    for name in SWEPT:
        assert name in text
