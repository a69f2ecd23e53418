"""Lines of every known trainer, read into facts."""

import pytest
from vlad.parsers.facts import (
    Fact,
    SeenBar,
    SeenEpisodes,
    SeenEvaluation,
    SeenMark,
    SeenStep,
    SeenSuite,
)
from vlad.parsers.lines import complete_end, facts_of


def only(line: str) -> Fact | None:
    facts = list(facts_of(line.encode() + b"\n"))
    assert len(facts) <= 1
    return facts[0] if facts else None


METHOD = "[method] step 120 lr 5e-05 loss 0.4312 sec/step 1.52 d 0.25 beta 0.8 gamma 0.5 g 2.1 gf 0.1 gp 0.2 gn 1.7"
LEROBOT = "INFO 2025-03-01 12:00:00 ts/train.py:232 step:200 smpl:2K ep:3 epch:0.05 loss:0.412 grdn:12.3 lr:1.0e-05"


@pytest.mark.parametrize(
    ("line", "step", "loss"),
    [
        pytest.param(METHOD, 120, 0.4312, id="method"),
        pytest.param("[train] step=7 lr=0.0002 loss=1.5 acc=0.25 l1=0.1 sec/step=2.0", 7, 1.5, id="train with ="),
        pytest.param("[train] step: 7, lr: 2e-4, loss: 1.5", 7, 1.5, id="train with :"),
        pytest.param("2026-01-01 12:00:00 [rank0] [train] step 7 loss 1.5", 7, 1.5, id="behind a time"),
        pytest.param("[rank0]: [train] step 7 loss 1.5", 7, 1.5, id="behind torchrun's rank"),
        pytest.param("\x1b[32m[train]\x1b[0m step 7 loss 1.5", 7, 1.5, id="in colour"),
        pytest.param("[train] step 7 loss nan acc 0.1", 7, None, id="a loss that is no number"),
        pytest.param(LEROBOT, 200, 0.412, id="lerobot"),
        pytest.param(LEROBOT.replace("step:200", "step:20K"), 20000, 0.412, id="lerobot, rounded"),
        pytest.param("{'loss': 0.5, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 0.1}", None, 0.5, id="HF 4"),
        pytest.param("{'loss': '0.5', 'learning_rate': '5e-05', 'epoch': '0.1'}", None, 0.5, id="HF 5"),
    ],
)
def test_a_line_of_a_trainer_tells_an_update(line: str, step: int | None, loss: float | None) -> None:
    fact = only(line)
    assert isinstance(fact, SeenStep)
    assert (fact.step, fact.loss) == (step, loss)


def test_what_has_no_field_of_its_own_is_a_metric() -> None:
    fact = only(METHOD)
    assert isinstance(fact, SeenStep)
    assert (fact.learning_rate, fact.step_s) == (5e-05, 1.52)
    assert fact.metrics == {"d": 0.25, "beta": 0.8, "gamma": 0.5, "g": 2.1, "gf": 0.1, "gp": 0.2, "gn": 1.7}


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        pytest.param("[eval] step 10 success_rate=87.50%", SeenEvaluation(step=10, success_rate=87.5), id="original"),
        pytest.param(
            "[eval] step 9 success_rate=50.00% (5/10, 95% 23.7 to 76.3)",
            SeenEvaluation(step=9, success_rate=50, successes=5, episodes=10),
            id="ours",
        ),
        pytest.param("Task suite: libero_spatial", SeenSuite(suite="libero_spatial"), id="suite"),
        pytest.param("# episodes completed so far: 37", SeenEpisodes(episodes=37), id="episodes"),
        pytest.param("# successes: 30 (81.1%)", SeenEpisodes(successes=30), id="successes"),
        pytest.param("Total episodes: 500", SeenEpisodes(episodes=500), id="OFT's episodes"),
        pytest.param("Overall success rate: 0.9640 (96.4%)", SeenEvaluation(success_rate=96.4), id="OFT's rate"),
        pytest.param("INFO x step:20K smpl:1M ep:9 epch:1.0 ∑rwrd:1.2 success:45.0 eval_s:9.1",
                     SeenEvaluation(success_rate=45.0), id="lerobot"),
        pytest.param("INFO x Eval policy at step 20400", SeenMark(step=20400), id="lerobot's exact step"),
        pytest.param("{'avg_sum_reward': 0.3, 'pc_success': 45.0, 'n_episodes': 20}",
                     SeenEvaluation(success_rate=45.0, episodes=20), id="lerobot's dictionary"),
        pytest.param("{'eval_loss': 0.3, 'eval_success_rate': 0.5, 'epoch': 1.0}",
                     SeenEvaluation(success_rate=50), id="HF's evaluation"),
    ],
)  # fmt: skip
def test_a_line_of_an_evaluation_is_understood(line: str, fact: Fact) -> None:
    assert only(line) == fact


@pytest.mark.parametrize(
    ("line", "done", "total"),
    [
        pytest.param(" 10%|█         | 100/1000 [01:00<09:00,  1.67it/s]", 100, 1000, id="plain"),
        pytest.param("  0%|          | 1/200005 [00:02<120:00:00,  2.15s/it]", 1, 200005, id="seconds an update"),
        pytest.param("train: 10%|# | 100/1000 [01:00<09:00, 1.67it/s, loss=0.5]", 100, 1000, id="with a name"),
        pytest.param("Epoch 0/9 ━━━━━╸━━━━ 10/100 0:00:01 • 0:00:09 10.00it/s v_num: 0 loss: 0.5", 10, 100, id="rich"),
    ],
)
def test_a_bar_of_updates_is_read(line: str, done: int, total: int) -> None:
    fact = only(line)
    assert isinstance(fact, SeenBar)
    assert (fact.done, fact.total) == (done, total)


def test_a_bar_tells_its_pace_either_way() -> None:
    fast, slow = only(" 10%|█ | 1/10 [00:01<00:09, 4.00it/s]"), only(" 10%|█ | 1/10 [00:01<00:09, 2.50s/it, loss=0.5]")
    assert isinstance(fast, SeenBar)
    assert isinstance(slow, SeenBar)
    assert (fast.update.step_s, slow.update.step_s, slow.update.loss) == (0.25, 2.5, 0.5)


@pytest.mark.parametrize(
    "line",
    [
        "Loading checkpoint shards:  50%|█████     | 1/2 [00:03<00:03,  3.51s/it]",
        "Validation DataLoader 0:  10%|█         | 1/10 [00:00<00:01,  9.0it/s]",
        "Map:  10%|█         | 100/1000 [00:00<00:01, 900.0 examples/s]",
        "model.safetensors:  10%|█         | 1.00G/10.0G [00:10<01:30, 100MB/s]",
        "Current task success rate: 0.9",
        "Task: pick up the black bowl",
        "[train] finished at step 900 (MAX_STEPS)",
        "[eval] 37/100 episodes",
        "[eval] step 10 success_rate=870%",
        "{'train_runtime': 12.0, 'train_loss': 0.3, 'epoch': 3.0}",
        "[1, 2, {'a': 'b'}]",
        "",
    ],
)
def test_other_lines_tell_nothing(line: str) -> None:
    assert only(line) is None


def test_a_redrawn_bar_is_a_line_once_it_is_drawn_again() -> None:
    first, second = b"  1%|  | 1/100 [00:01<01:39, 1.0it/s]", b"  2%|  | 2/100 [00:02<01:38, 1.0it/s]"
    content = b"\r" + first + b"\r" + second
    end = complete_end(content)
    assert content[end:] == second
    assert [fact.done for fact in facts_of(content[:end]) if isinstance(fact, SeenBar)] == [1]


@pytest.mark.parametrize(
    "unit", ["[train] step 1 ", "step:1 smpl:1 ", "{'loss': 1, ", " 1%|", "a" * 50, " ", "Epoch 1 "]
)
def test_hostile_lines_cost_little(unit: str) -> None:
    """Of a line only a part is read, and no expression takes more than a few passes over it."""
    assert len(list(facts_of((unit * 100_000).encode() + b"\n"))) <= 1
