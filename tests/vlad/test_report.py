"""What a program reports of itself, as the documentation shows it."""

import sys
from pathlib import Path

from supervised_runs import Lab
from vlad.records.run import State
from vlad.records.summary_reading import read_summary

PAGE = Path(__file__).parents[2] / "docs" / "other-trainers.md"
PROGRAM = """
def train_step():
    return 0.5

def save(step):
    return f"/checkpoints/{step}"
"""


def test_the_loop_of_the_documentation_reports_its_steps_and_checkpoints(lab: Lab) -> None:
    loop = next(part.partition("```")[0] for part in PAGE.read_text().split("```python\n") if "Reporter.from" in part)
    run = lab.start(sys.executable, "-c", PROGRAM + loop)
    assert run.until_ended().state is State.SUCCEEDED
    told = read_summary(run.directory).summary
    assert (told.step, told.max_steps, told.loss) == (1000, 1000, 0.5)
    assert told.last_checkpoint is not None
    assert told.last_checkpoint.path == "/checkpoints/1000"
