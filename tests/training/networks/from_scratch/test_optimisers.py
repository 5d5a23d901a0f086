"""Every optimiser takes torch.optim's steps; weight decay is the derivative of its penalty."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.networks.from_scratch.optimisers import SGD, Adagrad, Adam, Momentum, RMSprop, one_cycle

SIBLINGS = {
    "SGD": (SGD, lambda w, **options: torch.optim.SGD(w, **options)),
    "Momentum": (Momentum, lambda w, **options: torch.optim.SGD(w, momentum=0.9, **options)),
    "Adagrad": (Adagrad, lambda w, **options: torch.optim.Adagrad(w, **options)),
    "RMSprop": (RMSprop, lambda w, **options: torch.optim.RMSprop(w, **options)),
    "Adam": (Adam, lambda w, **options: torch.optim.Adam(w, **options)),
}
SHAPES = (3, 4), (5,)


@pytest.mark.parametrize("name", SIBLINGS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), lr=st.floats(1e-4, 0.1), l1=st.sampled_from([0.0, 0.02]),
       l2=st.sampled_from([0.0, 0.1]))  # fmt: skip
def test_steps_are_those_of_torch(name, seed, lr, l1, l2):
    ours, theirs = SIBLINGS[name]
    rng = np.random.default_rng(seed)
    parameters = [rng.normal(size=shape) for shape in SHAPES]
    tensors = [torch.tensor(array, requires_grad=True) for array in parameters]
    optimiser, sibling = ours(parameters, lr, l1=l1, l2=l2), theirs(tensors, lr=lr, weight_decay=l2)
    for step in range(8):
        gradients = [rng.normal(size=shape) for shape in SHAPES]
        optimiser.step(gradients)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            # torch has no L1 decay: autograd differentiates the penalty instead.
            tensor.grad = torch.from_numpy(gradient) + torch.autograd.grad(l1 * tensor.abs().sum(), tensor)[0]
        sibling.step()

        for array, tensor in zip(parameters, tensors, strict=True):
            np.testing.assert_allclose(
                array, tensor.detach().numpy(), rtol=1e-9, atol=1e-10, err_msg=str(step)
            )


def test_single_precision_stays_single():
    for ours, _ in SIBLINGS.values():
        parameters = [np.ones(3, np.float32)]
        optimiser = ours(parameters, 0.1, l1=0.1, l2=0.1)
        optimiser.step([np.ones(3, np.float32)])
        assert {array.dtype for arrays in (parameters, *optimiser.memory) for array in arrays} == {
            np.dtype(np.float32)
        }
        assert (parameters[0] < 1).all()


@pytest.mark.parametrize("steps", [10, 100, 999])
def test_one_cycle_is_that_of_torch(steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps, pct_start=0.2)
    expected = []
    for _ in range(steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(expected) < steps:
            schedule.step()

    np.testing.assert_allclose([one_cycle(step, steps, 0.3) for step in range(steps)], expected, rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_few_steps_is_a_learning_rate(steps):
    assert all(0 < one_cycle(step, steps, 0.3) <= 0.3 for step in range(steps))
