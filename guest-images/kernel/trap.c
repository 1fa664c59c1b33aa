/* trap.c - descriptor tables, and what happens when the CPU comes into the kernel. All gates are interrupt gates: the kernel runs with
 * interrupts off, but where it idles. System calls are short, and nothing in it needs a lock. */
#include "kernel.h"

struct task_state { uint32_t link, esp0, ss0, rest[22]; uint16_t trap, io_map; };      /* SDM 3A 7.2.1; only ESP0 and SS0 are used */
struct table_pointer { uint16_t limit; uint32_t base; } __attribute__((packed));

void load_tables(const struct table_pointer *gdt, const struct table_pointer *idt, uint32_t tss_selector);

static struct task_state task = { .ss0 = KERNEL_DATA, .io_map = sizeof task };      /* no map: ring 3 has no ports */
static uint64_t idt[256];
static uint64_t gdt[6] = {
    0,
    0x00CF9A000000FFFF,         /* ring 0 code, 4 GiB (SDM 3A 3.4.5) */
    0x00CF92000000FFFF,         /* ring 0 data: the stack only */
    0x00CFFA000000FFFF,         /* ring 3 code */
    0x00CFF2000000FFFF,         /* ring 3 data, and the kernel's DS and ES */
    0,                          /* the TSS */
};

enum { TSS_SELECTOR = 5 * 8 };

static void set_gate(uint32_t vector, uint32_t handler, uint32_t ring)
{
    /* 32-bit interrupt gate, present (SDM 3A 6.11). */
    idt[vector] = (uint64_t)((handler & 0xFFFF0000) | 0x8E00 | ring << 13) << 32 | KERNEL_CODE << 16 | (handler & 0xFFFF);
}

void traps_start(void)
{
    uint32_t base = (uint32_t)&task, limit = sizeof task - 1;
    gdt[TSS_SELECTOR / 8] = (uint64_t)((base & 0xFF000000) | 0x8900 | (base >> 16 & 0xFF)) << 32 | (base & 0xFFFF) << 16 | limit;

    uint32_t stubs = (uint32_t)(trap_stubs_end - trap_stubs);
    for (uint32_t n = 0; n < stubs - 1; n++)
        set_gate(n, trap_stubs[n], 0);
    set_gate(VECTOR_SYSTEM_CALL, trap_stubs[stubs - 1], 3);     /* the one that ring 3 may call by INT */

    struct table_pointer gdt_pointer = { sizeof gdt - 1, (uint32_t)gdt }, idt_pointer = { sizeof idt - 1, (uint32_t)idt };
    load_tables(&gdt_pointer, &idt_pointer, TSS_SELECTOR);
}

void set_kernel_stack(uint32_t top)
{
    task.esp0 = top;
}

static const char *const exceptions[] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no coprocessor", "double fault", "coprocessor overrun",
    "invalid TSS", "segment not present", "stack fault", "general protection", "page fault", "15", "x87 error", "alignment", "machine check", "SIMD",
};

/* What a program did wrong ends the program; what the kernel did wrong ends everything. */
static void exception(struct trap_frame *frame, uint32_t address)
{
    const char *name = frame->vector < sizeof exceptions / sizeof *exceptions ? exceptions[frame->vector] : "unknown";
    if ((frame->cs & 3) == 0)
        panic("%s (%u), error %x, at %x, address %x", name, frame->vector, frame->error, frame->eip, address);
    if (!quiet) {
        kprintf("%d (%s): %s at %x", current->pid, current->name, name, frame->eip);
        if (frame->vector == VECTOR_PAGE_FAULT)
            kprintf(", address %x", address);
        kprintf("\n");
    }
    process_exit(KILLED + (int)frame->vector);
}

static void page_fault(struct trap_frame *frame)
{
    uint32_t address = read_cr2();
    /* Error code: bit 0 protection, bit 1 write, bit 2 ring 3 (SDM 3A 4.7). The kernel itself asks user_access() first and never faults. */
    if ((frame->cs & 3) == 0)
        exception(frame, address);
    int result = space_fault(&current->space, address, frame->error & 2);
    if (result == -ENOMEM) {
        if (!quiet)
            kprintf("%d (%s): out of memory\n", current->pid, current->name);
        process_exit(KILLED + 9);
    }
    if (result < 0)
        exception(frame, address);
}

static void interrupt(uint32_t irq)
{
    if (!acknowledge_irq(irq))
        return;
    if (irq == 0) {
        full_tick();
        timer_interrupt();
    } else if (irq == 4) {
        console_interrupt();
    }
}

/* From entry.asm, for every trap. */
void trap(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_SYSTEM_CALL)
        frame->eax = (uint32_t)system_call(frame);
    else if (frame->vector == VECTOR_PAGE_FAULT)
        page_fault(frame);
    else if (frame->vector == VECTOR_EVENT) {
        if (paravirtual_event())
            timer_interrupt();
    } else if (frame->vector >= VECTOR_IRQ && frame->vector < VECTOR_IRQ + 16)
        interrupt(frame->vector - VECTOR_IRQ);
    else
        exception(frame, 0);

    if ((frame->cs & 3) == 3) {         /* not in the idle loop, which is the scheduler already */
        if (current->killed)
            process_exit(KILLED + 9);
        if (need_resched)
            give_up_turn();
        if (current->killed)            /* while others had their turn */
            process_exit(KILLED + 9);
    }
}
