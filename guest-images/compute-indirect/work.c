/* guest: compute-indirect
 * format: multiboot
 * teaches: indirect calls and jumps with unpredictable targets: an interpreter inside the guest
 * expect-status: 0
 * expect-serial: indirect checksum 53A71E9D\n
 *
 * A small stack machine runs a program of 4,096 pseudo-random instructions, each by a call through a table of function
 * pointers, each second time through a switch (an indirect jump). One unit of scale is one pass over the program.
 */
#include "work.h"

#define LENGTH 4096
#define DEPTH 16                                /* the stack is a ring: no program can run over its edge */

const char work_name[] = "indirect";
const uint32_t work_default_scale = 3400;

struct machine {
    uint32_t stack[DEPTH];
    uint32_t top;
    uint32_t memory[16];
};

typedef void operation(struct machine *m, uint32_t operand);

static inline void push(struct machine *m, uint32_t value)
{
    m->top = (m->top + 1) % DEPTH;
    m->stack[m->top] = value;
}

static inline uint32_t pop(struct machine *m)
{
    uint32_t value = m->stack[m->top];
    m->top = (m->top - 1) % DEPTH;
    return value;
}

static void op_push(struct machine *m, uint32_t operand) { push(m, operand); }
static void op_add(struct machine *m, uint32_t operand) { push(m, pop(m) + pop(m) + operand); }
static void op_xor(struct machine *m, uint32_t operand) { push(m, pop(m) ^ pop(m) ^ operand); }
static void op_multiply(struct machine *m, uint32_t operand) { push(m, pop(m) * (operand | 1)); }
static void op_shift(struct machine *m, uint32_t operand) { push(m, pop(m) >> (operand & 7)); }
static void op_load(struct machine *m, uint32_t operand) { push(m, m->memory[operand & 15]); }
static void op_store(struct machine *m, uint32_t operand) { m->memory[operand & 15] += pop(m); }
static void op_duplicate(struct machine *m, uint32_t operand) { push(m, m->stack[m->top] + operand); }

static operation *const operations[8] = {
    op_push, op_add, op_xor, op_multiply, op_shift, op_load, op_store, op_duplicate,
};

static struct { uint32_t code, operand; } program[LENGTH];

static void run_by_table(struct machine *m)
{
    for (int pc = 0; pc < LENGTH; pc++)
        operations[program[pc].code](m, program[pc].operand);
}

/* The same machine, dispatched by a jump table that the compiler makes. */
static void run_by_switch(struct machine *m)
{
    for (int pc = 0; pc < LENGTH; pc++) {
        uint32_t operand = program[pc].operand;
        switch (program[pc].code) {
        case 0: push(m, operand); break;
        case 1: push(m, pop(m) + pop(m) + operand); break;
        case 2: push(m, pop(m) ^ pop(m) ^ operand); break;
        case 3: push(m, pop(m) * (operand | 1)); break;
        case 4: push(m, pop(m) >> (operand & 7)); break;
        case 5: push(m, m->memory[operand & 15]); break;
        case 6: m->memory[operand & 15] += pop(m); break;
        default: push(m, m->stack[m->top] + operand); break;
        }
    }
}

uint32_t work(uint32_t scale)
{
    static struct machine m;
    uint32_t random = 0xC0FFEE;
    for (int i = 0; i < LENGTH; i++) {
        random = next_random(random);
        program[i].code = (random >> 9) & 7;
        program[i].operand = random = next_random(random);
    }
    m = (struct machine){ .top = 0 };
    for (uint32_t n = 0; n < scale; n++)
        if (n & 1)
            run_by_switch(&m);
        else
            run_by_table(&m);

    uint32_t checksum = 0;
    for (int i = 0; i < 16; i++)
        checksum = checksum * 31 + m.memory[i] + m.stack[i];
    return checksum;
}
