"""The Cortex-M4 cycle model against figures of the core's reference manual, added up by hand."""

import pytest

from harness.cortex_m4 import branch_kind, parse, straight_cycles, taken_branch_cycles

SINGLE = {
    "add r0, r1, r2": 1,
    "adds.w\tr0, r1, #4": 1,
    "smlad r4, r0, r2, r4": 1,
    "smlal r4, r5, r0, r2": 1,
    "usat r4, #8, r4, asr #7": 1,
    "ldr r0, [r1]": 2,
    "ldr.w r0, [r1, r2, lsl #2]": 2,
    "ldrb r0, [r1], #1": 2,
    "ldrsh r0, [r1, #2]!": 2,
    "ldr r0, =0x12345678": 2,
    "str r0, [r1]": 1,
    "strb r4, [r1, #3]": 1,
    "strb r4, [r1], #1": 1,
    "strh.w r4, [r1, r2, lsl #1]": 2,
    "ldrd r0, r1, [r12], #8": 3,
    "strd r0, r1, [sp, #16]": 3,
    "ldm lr!, {r0-r3}": 5,
    "ldmia r0!, {r4, r5, r6}": 4,
    "stmdb sp!, {r4-r11, lr}": 10,
    "push {r4-r11,lr}": 10,
    "push {r4, r5, r6, r7, r8, sb, sl, fp, lr}": 10,
    "push {r4 - sl}": 8,
    "pop {r4, pc}": 3,
    "sdiv r0, r1, r2": 7,
    "udiv r0, r0, r3": 7,
    "vmov r0, s1": 1,
    "vmov r0, r1, s2, s3": 2,
    "vmov d0, r0, r1": 2,
    "vmov.f32 s0, #1.0": 1,
    "vldr s0, [r0, #4]": 2,
    "vldr d0, [pc, #16]": 3,
    "vldmia r0!, {s0-s7}": 9,
    "vpush {d8-d15}": 17,
    "vpop {d8, d9}": 5,
    "vmul.f32 s0, s1, s2": 1,
    "vfma.f32 s0, s1, s2": 3,
    "vmla.f32 s0, s1, s2": 3,
    "vdiv.f32 s0, s1, s2": 14,
    "vsqrt.f32 s0, s1": 14,
    "vcvt.s32.f32 s0, s0": 1,
    "vmrs apsr_nzcv, fpscr": 1,
    "b #0x1000": 1,
    "bne 1b": 1,
    "bx lr": 1,
    "it eq": 1,
    "ITTE NE": 1,
}


@pytest.mark.parametrize("line", SINGLE)
def test_one_instruction(line: str) -> None:
    assert straight_cycles([line]) == SINGLE[line]


def test_loads_overlap_unless_the_address_waits() -> None:
    assert straight_cycles(["ldr r0, [r1], #4", "ldr r2, [r1], #4", "ldrsb r3, [r4]"]) == 2 + 1 + 1
    assert straight_cycles(["ldr r0, [r1]", "ldr r2, [r0]"]) == 2 + 2
    assert straight_cycles(["ldr r0, [r1]", "ldr r2, [r3, r0, lsl #2]"]) == 2 + 2
    assert straight_cycles(["ldr r12, [r1]", "ldr r2, [ip]"]) == 2 + 2, "r12 is ip"
    assert straight_cycles(["ldr r0, [r1]", "add r5, r5, r0", "ldr r2, [r1]"]) == 2 + 1 + 2
    assert straight_cycles(["ldrd r0, r1, [r2]", "ldr r3, [r2]"]) == 3 + 2, "LDRD is not pipelined"


def test_an_indexed_store_behind_a_load_is_free_of_its_second_cycle() -> None:
    assert straight_cycles(["ldr r0, [r1]", "str r2, [r3, r4]"]) == 2 + 1
    assert straight_cycles(["add r0, r1, r2", "str r2, [r3, r4]"]) == 1 + 2


def test_it_folds_behind_a_short_instruction() -> None:
    lines = ["cmp r0, #0", "it ne", "addne r1, #1"]
    assert straight_cycles(lines, [2, 2, 2]) == 2
    assert straight_cycles(lines, [4, 2, 2]) == 3
    assert straight_cycles(lines) == 3, "a size that is not known folds nothing"
    assert straight_cycles(["cmp.n r0, #0", *lines[1:]]) == 2


def test_comments_and_empty_lines_are_skipped() -> None:
    assert straight_cycles(["", "  add r0, r0, r1  @ the sum", "// nothing", "ldr r0, [r1] // two"]) == 1 + 2


@pytest.mark.parametrize("line", ["loop:", ".align 2", "1:"])
def test_what_is_no_instruction_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected an instruction"):
        straight_cycles([line])


def test_sizes_belong_to_lines() -> None:
    with pytest.raises(ValueError):
        straight_cycles(["nop", "nop"], [2])


def test_branches() -> None:
    direct = ["b 1f", "bl #0x400", "bne.w 2b", "ble 1b", "blle 1b", "cbz r0, 1f", "cbnz r3, #0x80"]
    indirect = [
        "bx lr",
        "bxeq lr",
        "blx r3",
        "pop {r4, pc}",
        "ldm sp!, {r4-r6, pc}",
        "ldr pc, [sp], #4",
        "tbb [pc, r0]",
    ]
    neither = ["bic r0, r1, r2", "bfi r0, r1, #2, #3", "bfc r0, #1, #2", "pop {r4, lr}", "push {r4, lr}", "mov r0, r1"]
    assert {branch_kind(line) for line in direct} == {"direct"}
    assert {branch_kind(line) for line in indirect} == {"indirect"}
    assert {branch_kind(line) for line in neither} == {None}
    taken = [taken_branch_cycles(kind, unaligned) for kind in ("direct", "indirect") for unaligned in (False, True)]
    assert taken == [1, 2, 2, 3]


def test_the_address_of_an_instruction() -> None:
    found = parse("ldrsh.w r0, [sl, r3, lsl #1]", 4)
    assert (found.name, found.base, found.index, found.destination, found.size) == ("ldrsh", 10, 3, 0, 4)
    assert parse("ldr r0, [pc, #12]").index is None


def test_a_loop_by_hand() -> None:
    """Four products: 2 + 1 loads, two SMLAD, a SUBS, a branch; taken it adds 1."""
    loop = ["ldr r0, [r8], #4", "ldr r1, [r9], #4", "smlad r4, r0, r1, r4", "subs r10, #1", "bne 1b"]
    assert straight_cycles(loop) == 6
    assert 10 * straight_cycles(loop) + 9 * taken_branch_cycles("direct", target_unaligned=False) == 69
