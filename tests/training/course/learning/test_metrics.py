from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from training.course.learning import metrics
from training.course.learning.measures.detection import Counts, Detector
from training.course.page import Page
from training.course.workbench import Workbench
from training.data.splits import Splits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return metrics.run(Workbench(tmp_path_factory.mktemp("metrics"), data, small=True))


def test_the_error_rate_falls_while_the_loss_rises(page: Page) -> None:
    assert page.values["last_loss"] > 1.15 * page.values["lowest_loss"]
    assert page.values["last_error"] < page.values["error_at_lowest_loss"]
    assert page.holds


def test_a_temperature_lowers_the_loss_and_changes_no_answer(page: Page) -> None:
    assert page.values["temperature"] > 1.5
    assert page.values["loss_after"] < 0.8 * page.values["loss_before"]
    assert page.values["ece_after"] < 0.6 * page.values["ece_before"]
    assert page.values["accuracy_after"] == page.values["accuracy_before"]


def test_the_formulas_agree_with_torchmetrics(page: Page) -> None:
    assert page.values["torchmetrics_difference"] < 1e-6


def test_a_threshold_trades_precision_for_recall_and_hardly_moves_accuracy(page: Page) -> None:
    values = page.values
    assert values["precision_0.95"] > values["precision_0.05"] + 0.2
    assert values["recall_0.05"] > values["recall_0.95"] + 0.2
    assert values["specificity_0.95"] > values["specificity_0.05"]
    assert values["F2_0.05"] > values["F2_0.95"]
    assert values["F0.5_0.75"] > values["F0.5_0.05"]
    accuracies = [values[f"accuracy_{threshold}"] for threshold in metrics.THRESHOLDS]
    assert max(accuracies) - min(accuracies) < 0.1
    assert values["always_no"] == pytest.approx(0.9, abs=0.02)


def test_served_models_detect_far_better_than_by_guessing(page: Page) -> None:
    assert page.values["auc_digits-linear"] > 0.95
    assert page.values["auc_familiarity"] > 0.95


scores = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=60)


@given(scores, st.integers(0, 19))
def test_counts_agree_with_torchmetrics_on_any_scores(pairs: list[tuple[int, bool]], threshold: int) -> None:
    values, positive = zip(*pairs, strict=True)
    assume(any(positive) and not all(positive))
    detector = Detector("any", torch.tensor(values) / 20, torch.tensor(positive))
    cut = (threshold + 0.5) / 20
    # Without a yes there is no precision, and each library has its own convention.
    assume(any(score > cut and sought for score, sought in zip(detector.scores, positive, strict=True)))

    assert detector.by_formula(cut) == pytest.approx(detector.from_torchmetrics(cut), abs=1e-6)


def test_f_leans_towards_what_its_beta_favours() -> None:
    precise = Counts(true_positives=10, false_positives=0, false_negatives=30, true_negatives=60)
    thorough = Counts(true_positives=40, false_positives=60, false_negatives=0, true_negatives=0)

    assert precise.f(0.5) > precise.f(1) > precise.f(2)
    assert thorough.f(0.5) < thorough.f(1) < thorough.f(2)


def test_reliability_of_a_network_that_is_as_sure_as_it_is_right() -> None:
    rng = np.random.default_rng(0)
    sure = torch.from_numpy(rng.uniform(0.5, 0.999, 20_000)).float()
    logits = torch.stack([sure.log(), (1 - sure).log()], 1)
    classes = torch.from_numpy((rng.random(20_000) > sure.numpy()).astype(np.int64))

    assert metrics.calibration_error(logits, classes) < 0.02
    for confidence, right, count in metrics.reliability(logits, classes):
        assert right == pytest.approx(confidence, abs=4 / np.sqrt(count) * 0.5)
