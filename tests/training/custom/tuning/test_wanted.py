"""What fine-tuning is judged by, and when it is tried at all."""

import logging
from dataclasses import replace

import pytest
import timm
import torch

from training.custom.trunk import Trunk
from training.custom.tuning.finetune import ENOUGH, Aim, classes_aim, is_wanted
from training.networks.pyramid import Intermediates, Pyramid

CLASSES = 3


def test_a_rare_class_counts_as_much_as_the_others_where_it_is_to():
    """Nine of ten are of the first class; judged evenly, always answering with it costs as much as chance."""
    targets = torch.tensor([0] * 90 + [1] * 10)
    always = torch.tensor([[2.0, 0.0]]).repeat(100, 1)

    def gain(aim: Aim) -> float:
        return float((aim.judge(torch.zeros(100, 2), targets) - aim.judge(always, targets)).mean())

    assert gain(classes_aim(torch.ones(2))) > 0.3
    assert abs(gain(classes_aim(torch.tensor([100 / 180, 100 / 20])))) < 0.02
    costs = classes_aim(torch.tensor([100 / 180, 100 / 20])).judge(torch.zeros(100, 2), targets)
    assert float(costs[:90].sum()) == pytest.approx(float(costs[90:].sum()), rel=1e-4)


def test_sure_and_unsure_scores_cost_the_same():
    """Probabilities are calibrated later."""
    targets = torch.arange(60) % CLASSES
    scores = torch.randn(60, CLASSES, generator=torch.Generator().manual_seed(0))
    scores[torch.arange(60), targets] += 1
    aim = classes_aim(torch.ones(CLASSES))

    torch.testing.assert_close(
        aim.judge(scores, targets), aim.judge(4 * scores, targets), atol=1e-3, rtol=1e-2
    )


@pytest.mark.parametrize(
    ("how", "count", "gpu", "expected"),
    [
        ("auto", ENOUGH, False, True), ("auto", ENOUGH - 1, False, False), ("auto", 36, True, True),
        ("always", 36, False, True), ("never", 10 * ENOUGH, True, False),
    ],
)  # fmt: skip
def test_it_is_tried_where_there_is_enough_or_a_gpu_or_the_owner_says_so(
    tiny_trunk: Trunk, monkeypatch, how, count, gpu, expected
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)

    assert is_wanted(how, tiny_trunk, count) == expected


def test_a_trunk_that_is_not_cut_is_left_alone_and_it_says_so(tiny_trunk: Trunk, caplog):
    caplog.set_level(logging.INFO)
    network = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=0).eval()
    other = replace(tiny_trunk, name="test_resnet", body=Pyramid(Intermediates(network), 160))

    assert not is_wanted("auto", other, ENOUGH - 1)
    assert caplog.text == ""
    assert not is_wanted("always", other, 36)
    assert "not of test_resnet, which is not cut into stages" in caplog.text
