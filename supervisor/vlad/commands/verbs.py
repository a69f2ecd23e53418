"""Which verbs there are, and where each is."""

from importlib import import_module

from vlad.commands.command import CliError, Command

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "runs": {
        "start": ("starting.start:START", "start a run that belongs to no terminal"),
        "ls": ("watching.ls:LS", "list the runs: live ones and the last few that ended"),
        "show": ("watching.show:SHOW", "show everything about one run"),
        "logs": ("watching.logs:LOGS", "print a run's log, or follow it"),
        "attach": ("watching.attach:ATTACH", "type into a run that was started with --tty, or look at it"),
        "why": ("watching.why:WHY", "tell why a run died, with the evidence"),
        "stacks": ("watching.stacks:STACKS", "show where a run's processes are in their code, now"),
    },
    "control": {
        "stop": ("control.asking:STOP", "stop runs, saving a checkpoint first"),
        "resume": ("control.asking:RESUME", "go on with a run that has ended"),
        "save": ("control.asking:SAVE", "ask a run to save a checkpoint now"),
        "evaluate": ("control.asking:EVALUATE", "ask a run to evaluate now"),
        "wait": ("control.wait:WAIT", "wait until runs have ended; exit with their outcome"),
        "rm": ("control.remove:RM", "remove runs that have ended"),
        "prune": ("control.remove:PRUNE", "remove old runs, keeping those that a rule names"),
    },
    "this host": {
        "ps": ("host.ps:PS", "list processes of live runs, and trainings not started by vlad"),
        "adopt": ("host.adopt:ADOPT", "make a run of a training that was started without vlad"),
        "gpus": ("host.gpus:GPUS", "list the GPUs of this host, who has them, and who waits for them"),
        "doctor": ("host.doctor:DOCTOR", "look over this host for what will hurt runs"),
        "recover": ("host.recover:RECOVER", "go on with runs that a restart of the host interrupted"),
        "install": ("host.install:INSTALL", "make this host go on with interrupted runs after a restart"),
        "serve": ("host.serve:SERVE", "let a dashboard on another host show these runs, over ssh"),
        "notify": ("host.notify:NOTIFY", "send a test message to everybody who is told about runs"),
        "completions": ("host.completions:COMPLETIONS", "print what lets a shell complete vlad's words"),
    },
    "our trainer": {
        "config": ("training.config:CONFIG", "print every configured value with where it came from"),
        "plan": ("training.plan:PLAN", "predict whether a configuration fits on a card, and its time"),
        "adapters": ("training.adapters:ADAPTERS", "list the adapters that a run can go on from"),
        "demos": ("training.demos:DEMOS", "record demonstrations of the tabletop or of LIBERO"),
        "eval": ("training.eval:EVAL", "measure the success rate of a checkpoint, outside its run"),
        "merge": ("training.merge:MERGE", "merge a run's adapter into its base model"),
        "icsm": ("training.icsm:ICSM", "compute the method's offline statistics of the base model"),
    },
}
"""Each verb with where it is and what it does, as `vlad --help` lists them."""

MEANT = {
    "follow": "logs -f", "tail": "logs -f", "log": "logs", "list": "ls", "top": "ls", "status": "show", "info": "show",
    "kill": "stop --now", "cancel": "stop", "pause": "stop", "restart": "resume", "continue": "resume", "run": "start",
    "launch": "start", "train": "start", "delete": "rm", "remove": "rm", "queue": "gpus",
}  # fmt: skip
"""Words of other tools, and the verb here that does it."""

VERBS = {verb: told for group in GROUPS.values() for verb, told in group.items()}


def command_of(verb: str) -> Command:
    """Imports the verb's module only: each costs nothing to the others. Raises CliError for a verb that is none."""
    if verb not in VERBS:
        raise CliError(f"{verb!r} is no verb; {_suggestion(verb)}`vlad --help` lists them")
    module, name = VERBS[verb][0].split(":")
    command = getattr(import_module(f"vlad.commands.{module}"), name)
    assert isinstance(command, Command)
    return command


def _suggestion(verb: str) -> str:
    from difflib import get_close_matches

    close = [MEANT[verb]] if verb in MEANT else get_close_matches(verb, VERBS, n=1, cutoff=0.7)
    return f"did you mean `vlad {close[0]}`? " if close else ""
