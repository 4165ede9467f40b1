"""`harness distill`: train -> export -> measure on the test set -> measure on a board -> complete the card."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import resources
from harness.errors import EnvironmentFailure, Interrupted, UserError
from harness.flows.bench import bench
from harness.flows.request import Request
from harness.nearest import did_you_mean
from harness.report.progress import Speaker
from harness.tasks import Card, write_card
from harness.tasks.card import Measured
from harness.train import recipe as recipes


def find_recipe(name: Path) -> Path:
    """Return the recipe called `name`: a TOML file, or the stem of one that comes with the harness.

    Raises:
        UserError: neither; the nearest stem is named.
    """
    known = {path.stem: path for path in sorted(resources.recipes().glob("*.toml"))}
    if name.exists() or name.suffix:
        return name
    if str(name) not in known:
        near = did_you_mean(str(name), known) or f"; {', '.join(known)} come with the harness"
        raise UserError(f"expected a recipe, a TOML file or the name of one, got {str(name)!r}{near}")
    return known[str(name)]


def from_folder(unlabelled: Path | None) -> tuple[str, ...]:
    """Return the changes of a recipe that learns from a folder without labels, from its teachers alone."""
    return () if unlabelled is None else (f"unlabelled={json.dumps(str(unlabelled))}", "distill.alpha=1")


def distill(recipe: Path, out: Path | None, changes: Sequence[str], seed: int | None, speaker: Speaker) -> Path:
    """Train what a recipe says; see `harness.train.distill.distill`.

    Args:
        recipe: as `find_recipe` takes it.
        out: the run's folder, None for trained/NAME.
        changes: "section.name=value" each.
        seed: wins over the recipe's.
        speaker: says what is done.

    Returns:
        The model; its card lies beside it.

    Raises:
        UserError: the recipe, a teacher or the data is wrong.
        EnvironmentFailure: TensorFlow is not installed, the converter or the board failed.
        Interrupted: the user stopped it.
    """
    recipe = find_recipe(recipe)
    recipes.read(recipe, changes, seed)  # a slip of the pen is told before TensorFlow is imported, which takes seconds
    try:
        from harness.train.distill import distill as train
    except ImportError as error:
        raise EnvironmentFailure(f"{error}; training needs: pip install 'tinyml-harness[train]'") from error
    try:
        with speaker.steps_bar(f"training {recipe.stem}") as advance:
            result = train(
                recipe, out, changes=changes, seed=seed, say=speaker.say, advance=advance, bar=speaker.steps_bar
            )
    except KeyboardInterrupt:
        raise Interrupted("interrupted: the finished epochs are kept; the same command goes on from there") from None
    if result.board:
        card = _measured(result.model, result.card, result.board, speaker)
        write_card(card, result.model.with_suffix(".toml"))
    return result.model


def _measured(model: Path, card: Card, board: str, speaker: Speaker) -> Card:
    """Return the card with what the model takes on a board's emulated twin.

    Raises:
        EnvironmentFailure: it could not be measured there, or answered otherwise than the oracle.
    """
    with TemporaryDirectory(prefix="harness-") as work:
        request = Request((str(model),), (board,), "qemu", False, None, "random", 4, "balanced", Path(work, "run"))
        run = bench(request, speaker)
    run.check()
    row = run.document.rows[0]
    if row.bit_exact_samples != row.samples:
        raise EnvironmentFailure(
            f"expected {row.samples} outputs of {model} on {board} to be the oracle's to the last bit, "
            f"{row.bit_exact_samples} are: find the layer with harness diff, and report it"
        )
    speaker.say(
        f"{board} (qemu): bit-exact, {row.instructions:,} instructions, {row.flash_weights_bytes:,} bytes of weights, "
        f"{row.flash_total_bytes:,} of flash, {row.ram_total_bytes:,} of RAM"
    )
    measured = Measured(
        board=str(row.board),
        where="qemu",
        optimise="balanced",
        instructions=int(row.instructions or 0),
        cycles=int(row.cycles or 0),
        flash_weights_bytes=int(row.flash_weights_bytes or 0),
        flash_total_bytes=int(row.flash_total_bytes or 0),
        ram_total_bytes=int(row.ram_total_bytes or 0),
        command=f"harness bench {model.name} --board {board} --on qemu --data random --samples 4",
    )
    return replace(card, measured=measured)
