"""Which students of the zoo a run is about that names none: those of its task that its data are for."""

from harness.errors import UserError
from harness.nearest import did_you_mean
from harness.report.progress import Speaker
from harness.tasks import TASKS, named_task, read_card, zoo_models


def students(task: str | None, data: str | None, speaker: Speaker) -> tuple[str, ...]:
    """Return their stems, and say which are left out.

    Args:
        task: the name of theirs, None for all.
        data: what they are to be fed with: a data set's name or a folder, None for each one's own.
        speaker: what it is said through.

    Raises:
        UserError: there is no such task, or none that takes these data.
    """
    asked = [named_task(task)] if task else list(TASKS.values())
    takers = {each.name for each in asked if each.takes(data)}
    if not takers:
        known = sorted({"random", *(name for each in asked for name in each.datasets)})
        hint = did_you_mean(data or "", known)
        raise UserError(
            f"expected {', '.join(known)} or a folder with one folder of recordings or pictures a class for --data, "
            f"got {data!r}{hint}"
        )
    cards = {stem: read_card(path) for stem, path in zoo_models().items()}
    taken = tuple(stem for stem, card in cards.items() if card and card.task in takers)
    left = [stem for stem in cards if stem not in taken]
    if left:
        speaker.say(f"left out, of another task: {', '.join(left)}")
    return taken
