"""What a plan looks like: every moment's buffers as data, and a picture of them in plain text."""

from hypothesis import given

from harness.compiler.memory import Moment, Occupant, draw, memory_map, plan_memory
from tests.support.arenas import case, cases, solver
from tests.support.profiles import examples


def planned(program):
    plan = plan_memory(program.graph, program.layers, program.aliases, solver=solver().solve)
    return plan, plan.ordered(program.layers)


def small():
    """The second layer works in place and needs scratch memory; the last adds the input again."""
    return case([8, 16, 16, 8], [[0], [1], [0, 2]], overlaps={1: {1: 0}}, scratch={1: 4})


def test_the_map_names_what_lies_where():
    first, second, third = memory_map(*planned(small()))
    given = Occupant("tensor", "input 0", "held", 16, 8, "i0")
    written = Occupant("tensor", "layer 1", "written", 0, 16, "1")
    read = Occupant("tensor", "layer 0", "read", 0, 16, "0")
    scratch = Occupant("scratch", "layer 1", "scratch", 24, 4, "##")
    assert second == Moment(1, "layer 1", "OP", (read, written, given, scratch), 28)
    assert [(o.label, o.role) for o in first.occupants] == [("0", "written"), ("i0", "read")]
    assert [(o.label, o.role) for o in third.occupants] == [("1", "read"), ("i0", "read"), ("2", "written")]


def test_the_picture():
    picture = draw(*planned(small()))
    assert picture.splitlines()[-5:] == [
        " offset  0  1  2",
        "      0  0  1< 1",
        "     16 i0 i0 i0",
        "     24  . ##  2",
        "     28  .  .  2",
    ]
    assert picture.startswith("32 bytes (proven to be the least)")


@examples(50)
@given(cases(layers=12))
def test_the_map_holds_every_buffer_for_as_long_as_it_lives(program):
    plan, layers = planned(program)
    moments = memory_map(plan, layers)
    assert [moment.index for moment in moments] == [layer.index for layer in layers]
    lives = sum(p.buffer.last - p.buffer.first + 1 for p in plan.placements)
    assert sum(len(moment.occupants) for moment in moments) == lives
    for moment, layer in zip(moments, layers, strict=True):
        covered = {byte for o in moment.occupants for byte in range(o.offset, o.end)}
        assert moment.used_bytes == len(covered) <= plan.arena_bytes
        assert sum(o.role == "scratch" for o in moment.occupants) == bool(layer.scratch_bytes)
        assert sum(o.role == "written" for o in moment.occupants) == 1


def test_long_models_are_drawn_in_parts_of_a_hundred_columns():
    for count in (30, 31, 140):
        sizes = [4 * (i * 37 % 101 + 1) for i in range(count + 1)]
        picture = draw(*planned(case(sizes, [[i] for i in range(count)]))).splitlines()
        headers = [line for line in picture if line.lstrip().startswith("offset")]
        assert all(len(line) <= 100 for line in picture)
        assert len(headers) == {30: 1, 31: 2, 140: 7}[count]
        assert [int(n) for h in headers for n in h.split()[1:]] == list(range(count))
