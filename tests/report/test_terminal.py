"""What the terminal says below its table."""

from harness.report.terminal import notes
from harness.rows.measurement import Document
from tests.rows.examples import make_row


def test_what_holds_of_a_model_on_two_boards_is_said_once() -> None:
    rows = [
        make_row(
            model=model, board=board, dataset="synthetic", samples=48, accuracy=91.7,
            card_accuracy=93.8, card_dataset="speech_commands", card_samples=4890,
        )
        for board in ("nano33", "disco")
        for model in ("kws_s", "kws_xs")
    ]  # fmt: skip
    lines = notes(Document(tuple(rows)))
    assert [line for line in lines if "estimate" not in line] == [
        "kws_s, kws_xs: 48 samples of synthetic",
        "kws_s: its model card says 93.8 % on 4890 samples of speech_commands",
        "kws_xs: its model card says 93.8 % on 4890 samples of speech_commands",
    ]
