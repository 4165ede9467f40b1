/* Runs compiled models on QEMU's mps2-an386 and looks at everything that a layer must leave alone.
 *
 * tests/support/emulated.py writes jobs.inc, the table of models, and the linker script. It lays each model's arena and
 * weights against an edge of a memory; the memory protection unit forbids what lies beyond, so a byte read or written
 * too far is a fault. Before each layer all registers hold a pattern; r4-r11, s16-s31 and sp must be the same after it.
 * Meanwhile interrupts overwrite the stack below sp. Inputs come from a file of the host, outputs go to another. */
#include <stdint.h>
#include <string.h>

typedef struct {
    uint32_t offset, bytes;
} span;

typedef struct {
    const char *name;
    void (*const *layers)(void);
    uint32_t layer_count, samples;
    uint8_t *arena, *arena_end;
    const uint8_t *image; /* where the weights are loaded; they are copied to where the model looks for them */
    uint8_t *weights, *weights_end;
    uint32_t inputs, outputs;
    span spans[8]; /* inputs, then outputs, in the arena */
} job;

#include "jobs.inc" /* jobs, JOBS, DISTURB */

enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18 };
enum { OPEN_READ = 1, OPEN_WRITE = 5 };
enum { GARBAGE = 0xa5 };

static int32_t semihosting(int32_t operation, const void *arguments) {
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static const job *running;
static uint32_t running_layer, running_sample;

static void say(const char *text) { semihosting(SYS_WRITE0, text); }

static void say_number(const char *before, uint32_t number) {
    char digits[] = "00000000";
    for (int i = 0; i < 8; i++)
        digits[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
    say(before);
    say(digits);
}

static _Noreturn void leave(int failed) {
    semihosting(SYS_EXIT, (const void *)(failed ? 0x20023u : 0x20026u));
    for (;;) {
    }
}

/* One line, which the host reads: what, model, layer, sample, and two numbers. */
static _Noreturn void fail(const char *what, uint32_t a, uint32_t b) {
    say(what);
    say(" ");
    say(running ? running->name : "-");
    say_number(" ", running_layer);
    say_number(" ", running_sample);
    say_number(" ", a);
    say_number(" ", b);
    say("\n");
    leave(1);
}

void fault_report(const uint32_t *stacked) {
    /* Where the bus or the protection unit complained, 0 where something else happened. */
    const uint32_t status = *(volatile uint32_t *)0xE000ED28u, address = *(volatile uint32_t *)0xE000ED34u;
    fail("fault", stacked[6], status & 0x80 ? address : 0);
}

static int32_t open_file(const char *name, uint32_t mode) {
    const struct {
        const char *name;
        uint32_t mode, length;
    } arguments = {name, mode, (uint32_t)strlen(name)};
    const int32_t handle = semihosting(SYS_OPEN, &arguments);
    if (handle < 0)
        fail("file", mode, 0);
    return handle;
}

static void transfer(int32_t operation, int32_t handle, const void *bytes, uint32_t count) {
    const struct {
        int32_t handle;
        const void *bytes;
        uint32_t count;
    } arguments = {handle, bytes, count};
    if (count && semihosting(operation, &arguments) != 0)
        fail("file", (uint32_t)operation, count);
}

/* Let nobody touch the gaps around the memories: 8 MB each, from 0x00800000, 0x1f800000 and 0x20800000. */
static void forbid_gaps(void) {
    volatile uint32_t *const mpu = (volatile uint32_t *)0xE000ED90u; /* TYPE, CTRL, RNR, RBAR, RASR */
    static const uint32_t gaps[] = {0x00800000u, 0x1f800000u, 0x20800000u};
    for (uint32_t i = 0; i < 3; i++) {
        mpu[2] = i;
        mpu[3] = gaps[i];
        mpu[4] = 1u << 28 | 22u << 1 | 1u; /* never executed, no access, 2^23 bytes, enabled */
    }
    mpu[1] = 5; /* on; what no region covers is as without it */
    __asm__ volatile("dsb\nisb");
}

/* What lies below sp is nobody's. Using the floating-point unit has the core store s0-s15 there too. */
static void systick(void) {
    volatile uint32_t junk[64];
    for (uint32_t i = 0; i < 64; i++)
        junk[i] = 0xdeadbeefu;
    __asm__ volatile("vmov s0, %0" : : "r"(junk[0]) : "s0");
}

static void interrupt_often(void) {
    static _Alignas(128) uint32_t vectors[16];
    volatile uint32_t *const table = (volatile uint32_t *)0xE000ED08u;
    volatile uint32_t *const timer = (volatile uint32_t *)0xE000E010u;
    memcpy(vectors, (const void *)*table, sizeof vectors);
    vectors[15] = (uint32_t)systick;
    *table = (uint32_t)vectors;
    timer[1] = 500; /* 20 us */
    timer[2] = 0;
    timer[0] = 7;
}

/* Calls a function with the pattern n, n + 1 ... in r4-r11 and s16-s31 and garbage elsewhere; returns which have
 * changed: bit 0 sp, bits 4-11 r4-r11, bits 16-31 s16-s31. */
__attribute__((naked, noinline)) static uint32_t call(void (*function)(void), uint32_t pattern) {
    (void)function, (void)pattern;
    __asm__ volatile("push {r1, r4-r11, lr}\n"
                     "vpush {s16-s31}\n"
                     "vmov s0, r1\n"
                     "ldr r2, =saved_sp\n"
                     "str sp, [r2]\n"
                     ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\n"
                     "add r\\n, r1, #\\n\n"
                     ".endr\n"
                     ".irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
                     "add r2, r1, #\\n\n"
                     "vmov s\\n, r2\n"
                     ".endr\n"
                     ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
                     "vmov s\\n, r2\n"
                     ".endr\n"
                     "mov r12, r0\n"
                     "mvn r0, #0\n"
                     "mov r1, r0\n"
                     "mov r2, r0\n"
                     "mov r3, r0\n"
                     "blx r12\n"
                     "mov r0, #0\n"
                     "ldr r2, =saved_sp\n"
                     "ldr r2, [r2]\n"
                     "cmp sp, r2\n"
                     "it ne\n"
                     "orrne r0, #1\n"
                     "mov sp, r2\n"
                     "ldr r1, [sp, #64]\n"
                     ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\n"
                     "add r2, r1, #\\n\n"
                     "cmp r2, r\\n\n"
                     "it ne\n"
                     "orrne r0, #1 << \\n\n"
                     ".endr\n"
                     ".irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
                     "add r2, r1, #\\n\n"
                     "vmov r3, s\\n\n"
                     "cmp r2, r3\n"
                     "it ne\n"
                     "orrne r0, #1 << \\n\n"
                     ".endr\n"
                     "vpop {s16-s31}\n"
                     "pop {r1, r4-r11, pc}\n"
                     ".ltorg\n"
                     ".lcomm saved_sp, 4\n");
}

static void nothing(void) {}

/* CMSDK TIMER0 counts down at 25 MHz; under -icount that is a clock of instructions. */
static uint32_t ticks_of(void (*function)(void), uint32_t pattern) {
    volatile uint32_t *const timer = (volatile uint32_t *)0x40000000u; /* CTRL, VALUE, RELOAD */
    const uint32_t before = timer[1];
    const uint32_t changed = call(function, pattern);
    const uint32_t ticks = before - timer[1];
    if (changed)
        fail("registers", changed, 0);
    return ticks;
}

/* Bytes between the arena and the next multiple of eight, where no gap can be forbidden. */
static uint32_t slack(const job *j) { return -(uint32_t)j->arena_end & 7; }

static void run(const job *j, int32_t inputs, int32_t outputs, int32_t clock) {
    const uint32_t weights = (uint32_t)(j->weights_end - j->weights);
    memcpy(j->weights, j->image, weights);
    for (uint32_t sample = 0; sample < j->samples; sample++) {
        running_sample = sample;
        memset(j->arena, GARBAGE, (size_t)(j->arena_end - j->arena) + slack(j));
        for (uint32_t i = 0; i < j->inputs; i++)
            transfer(SYS_READ, inputs, j->arena + j->spans[i].offset, j->spans[i].bytes);
        for (uint32_t layer = 0; layer < j->layer_count; layer++) {
            running_layer = layer;
            const uint32_t empty = ticks_of(nothing, sample);
            const uint32_t ticks = ticks_of(j->layers[layer], 0x01010101u * sample) - empty;
            if (sample == 0)
                transfer(SYS_WRITE, clock, &ticks, sizeof ticks);
            for (uint32_t i = 0; i < slack(j); i++)
                if (j->arena_end[i] != GARBAGE)
                    fail("arena", i, 0);
        }
        for (uint32_t i = j->inputs; i < j->inputs + j->outputs; i++)
            transfer(SYS_WRITE, outputs, j->arena + j->spans[i].offset, j->spans[i].bytes);
    }
    if (memcmp(j->weights, j->image, weights) != 0)
        fail("weights", 0, 0);
}

int main(void) {
    volatile uint32_t *const timer = (volatile uint32_t *)0x40000000u;
    timer[2] = timer[1] = UINT32_MAX;
    timer[0] = 1;
    forbid_gaps();
    if (DISTURB)
        interrupt_often();
    const int32_t inputs = open_file("inputs", OPEN_READ), outputs = open_file("outputs", OPEN_WRITE);
    const int32_t clock = open_file("ticks", OPEN_WRITE);
    for (uint32_t i = 0; i < JOBS; i++) {
        running = &jobs[i];
        run(running, inputs, outputs, clock);
    }
    leave(0);
}
