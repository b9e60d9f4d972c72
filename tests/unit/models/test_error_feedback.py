"""What is lost on the way of one update is in the next one, and nothing is lost twice."""

import pytest
import torch

from common.update_encodings import UpdateEncoding
from models.error_feedback import STALE_ROUNDS, encode_update
from models.update import State, signature_of
from models.update_encoding import decoded

ENCODINGS: list[UpdateEncoding] = ["bfloat16", "mxint8", "topk:0.01"]


def delta(seed: int) -> State:
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(70, 33, generator=generator),
        "bias": torch.randn(7, generator=generator),
    }


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_that_was_trained_has_arrived_or_is_remembered(encoding: UpdateEncoding) -> None:
    memory: State = {}
    arrived, trained = torch.zeros(70, 33), torch.zeros(70, 33)
    for round_number in range(30):
        update = delta(round_number)
        sent = encode_update(
            update, encoding, seed=round_number, error_feedback=True, memory=memory, age_rounds=1
        )
        memory = sent.memory
        back = decoded(sent.tensors, signature_of(update))
        assert back["bias"].equal(update["bias"])
        arrived, trained = arrived + back["weight"], trained + update["weight"]
    assert list(memory) == ["error_feedback/weight"]
    remembered = memory["error_feedback/weight"]
    assert remembered.any()
    torch.testing.assert_close(arrived + remembered, trained, atol=1e-4, rtol=1e-4)


def test_an_error_of_long_ago_is_dropped() -> None:
    memory = {"error_feedback/weight": torch.ones(70, 33)}
    fresh, young, old = (
        encode_update(
            delta(1), "topk:0.1", seed=1, error_feedback=True, memory=kept, age_rounds=age
        )
        for kept, age in ((State(), 0), (memory, STALE_ROUNDS), (memory, STALE_ROUNDS + 1))
    )
    assert not young.tensors["weight"].equal(fresh.tensors["weight"])
    assert old.tensors["weight"].equal(fresh.tensors["weight"])


def test_without_feedback_nothing_is_remembered() -> None:
    sent = encode_update(
        delta(1), "topk:0.1", seed=1, error_feedback=False,
        memory={"error_feedback/weight": torch.ones(70, 33)}, age_rounds=1,
    )  # fmt: skip
    assert sent.memory == {}
    assert not decoded(sent.tensors, signature_of(delta(1)))["weight"].eq(1).any()
