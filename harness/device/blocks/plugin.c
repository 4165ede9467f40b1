/* Counts what an emulated core executes inside measured calls: blocks, and the steps from one block to the next.
 *
 * A TCG plugin for QEMU. A block is what QEMU translates and runs as one: instructions one after another, up to a jump.
 * The firmware measures through a single call instruction (ticks_around in firmware/src/measure.c), whose address is
 * the argument `call`. A region is what runs between that call and the address behind it. Calls and returns end blocks,
 * so a region is made of whole blocks and its counts are exact. Behind each region its counts are appended to the file
 * `out` and flushed, as lines of decimal numbers:
 *
 *   region ENTRY                     the address that was called
 *   block PC INSTRUCTIONS COUNT      how often it ran
 *   step PC INSTRUCTIONS COUNT       how often this block ran directly after the one above
 *   end
 *
 * The machine has one core, so nothing is locked. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of QEMU's plugin API that is used here; distributions do not package qemu-plugin.h. It is the same in
 * version 1 (QEMU to 8.2) and in version 2, the least that QEMU 9 takes. */
#define EXPORT __attribute__((visibility("default")))
#ifndef API_VERSION
#define API_VERSION 1
#endif

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*translate_callback)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*execute_callback)(unsigned int, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translate_callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, execute_callback, enum qemu_plugin_cb_flags, void *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = API_VERSION;

enum { CALL_BYTES = 2 }; /* BLX to a register */

typedef struct block block;
typedef struct step step;

struct step {
    block *to;
    uint64_t count;
    step *next;
};

struct block {
    uint64_t pc, last_pc, count; /* last_pc: of its last instruction */
    size_t instructions;
    step *steps; /* the one taken last is first */
    block *next_of_bucket, *next_of_region;
};

enum { BUCKETS = 4096 };
static block *buckets[BUCKETS];

static uint64_t call;
static FILE *out;
static block *last; /* the block that ran before the current one */
static struct {
    bool open;
    uint64_t entry;
    block *blocks; /* those that ran in it */
} region;

static void *allocate(size_t bytes) {
    void *const memory = calloc(1, bytes);
    if (!memory) {
        fprintf(stderr, "block counter: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

/* A block that QEMU translates again is the same block. */
static block *find_block(uint64_t pc, uint64_t last_pc, size_t instructions) {
    block **const bucket = &buckets[(pc >> 1) % BUCKETS];
    for (block *b = *bucket; b; b = b->next_of_bucket)
        if (b->pc == pc && b->instructions == instructions)
            return b;
    block *const made = allocate(sizeof *made);
    *made = (block){.pc = pc, .last_pc = last_pc, .instructions = instructions, .next_of_bucket = *bucket};
    return *bucket = made;
}

static step *find_step(block *from, block *to) {
    step **place = &from->steps;
    while (*place && (*place)->to != to)
        place = &(*place)->next;
    step *found = *place;
    if (found)
        *place = found->next;
    else
        *(found = allocate(sizeof *found)) = (step){.to = to};
    found->next = from->steps;
    return from->steps = found;
}

static void count(block *b) {
    if (!b->count++) {
        b->next_of_region = region.blocks;
        region.blocks = b;
    }
    if (last)
        (last->steps && last->steps->to == b ? last->steps : find_step(last, b))->count++;
}

static void write_counts(const char *what, const block *b, uint64_t times) {
    fprintf(out, "%s %" PRIu64 " %zu %" PRIu64 "\n", what, b->pc, b->instructions, times);
}

/* Writes the counts and sets them to zero for the next region. */
static void end_region(void) {
    fprintf(out, "region %" PRIu64 "\n", region.entry);
    for (block *b = region.blocks; b; b = b->next_of_region) {
        write_counts("block", b, b->count);
        for (step *s = b->steps; s; s = s->next) {
            if (s->count)
                write_counts("step", s->to, s->count);
            s->count = 0;
        }
        b->count = 0;
    }
    fprintf(out, "end\n");
    fflush(out);
    region.open = false;
    region.blocks = NULL;
}

static void on_execute(unsigned int core, void *data) {
    (void)core;
    block *const b = data;
    if (region.open && b->pc == call + CALL_BYTES) {
        end_region();
    } else if (last && last->last_pc == call) {
        region.open = true;
        region.entry = b->pc;
        last = NULL; /* the step into the region is the call's, not the callee's */
    }
    if (region.open)
        count(b);
    last = b;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    const uint64_t pc = qemu_plugin_tb_vaddr(tb);
    const size_t instructions = qemu_plugin_tb_n_insns(tb);
    const uint64_t last_pc = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, instructions - 1));
    block *const b = find_block(pc, last_pc, instructions);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_execute, QEMU_PLUGIN_CB_NO_REGS, b);
}

/* Without arguments it counts nothing: enough to see whether QEMU takes it. */
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    const char *path = NULL;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "call=", 5))
            call = strtoull(argv[i] + 5, NULL, 0);
        else if (!strncmp(argv[i], "out=", 4))
            path = argv[i] + 4;
    }
    if (!path)
        return 0;
    out = fopen(path, "w");
    if (!out) {
        perror(path);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
