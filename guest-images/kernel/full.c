/* full.c - the machine as it really is: 8254 timer, two 8259A interrupt controllers, 16550 UART, INVLPG and MOV CR3. A VMM has to notice each
 * of these accesses and work out what was meant; what that costs is the price of knowing nothing of one another. */
#include "kernel.h"

enum { PIC1 = 0x20, PIC2 = 0xA0, PIC_EOI = 0x20, PIC_READ_ISR = 0x0B, PIT_CHANNEL0 = 0x40, PIT_COMMAND = 0x43, POST = 0x80, DEBUG_EXIT = 0xF4 };
enum { POWER_OFF = 0x604, POWER_OFF_BOCHS = 0xB004, POWER_OFF_VALUE = 0x2000 };
enum { PIT_HZ = 1193182, HZ = 100, PIT_COUNT = PIT_HZ / HZ, TICK = 1000000000 / HZ, NANOSECONDS_A_COUNT = TICK / PIT_COUNT };

/* More pages than that are forgotten by one load of CR3: what INVLPG costs each, that costs once, and what was needed comes back. */
enum { INVALIDATE_AT_MOST = 8 };

static uint64_t elapsed;            /* nanoseconds, in whole ticks */
static uint32_t changed[MAX_BATCH];
static uint32_t changes;
uint32_t batch_limit = MAX_BATCH;

/* ---- interrupts --------------------------------------------------------------------------------------------------------------- */

/* 8259A data sheet, ICW1 to ICW4: edge-triggered, vectors from VECTOR_IRQ on, the slave at IRQ 2, no automatic end of interrupt. */
void start_interrupt_controllers(uint16_t enabled)
{
    outb(PIC1, 0x11);
    outb(PIC2, 0x11);
    outb(PIC1 + 1, VECTOR_IRQ);
    outb(PIC2 + 1, VECTOR_IRQ + 8);
    outb(PIC1 + 1, 1 << 2);
    outb(PIC2 + 1, 2);
    outb(PIC1 + 1, 1);
    outb(PIC2 + 1, 1);
    outb(PIC1 + 1, (uint8_t)~enabled);
    outb(PIC2 + 1, (uint8_t)(~enabled >> 8));
}

bool acknowledge_irq(uint32_t irq)
{
    if (irq == 7) {                 /* "no request after all" comes as IRQ 7, with nothing in service (8259A data sheet) */
        outb(PIC1, PIC_READ_ISR);
        if (!(inb(PIC1) & 1 << 7))
            return false;
    }
    if (irq >= 8)
        outb(PIC2, PIC_EOI);
    outb(PIC1, PIC_EOI);
    return true;
}

/* ---- time ----------------------------------------------------------------------------------------------------------------------- */

static void start(void)
{
    outb(PIT_COMMAND, 0x34);        /* channel 0, both bytes, mode 2: rate generator */
    outb(PIT_CHANNEL0, PIT_COUNT & 0xFF);
    outb(PIT_CHANNEL0, PIT_COUNT >> 8);
    start_interrupt_controllers(1 << 0 | 1 << 4);
}

static uint64_t now(void)
{
    return elapsed;
}

/* Within the tick the counter says how far: it counts down. A tick that is over but not yet served would make time go back. */
static uint64_t precise(void)
{
    static uint64_t last;
    outb(PIT_COMMAND, 0x00);        /* latch channel 0 */
    uint32_t count = inb(PIT_CHANNEL0);
    count |= (uint32_t)inb(PIT_CHANNEL0) << 8;
    uint64_t time = elapsed + (PIT_COUNT - count) * NANOSECONDS_A_COUNT;
    if (time > last)
        last = time;
    return last;
}

/* It ticks anyway. */
static void wake_in(uint64_t nanoseconds)
{
    (void)nanoseconds;
}

static void tick_soon(void)
{
}

/* ---- paging --------------------------------------------------------------------------------------------------------------------- */

static void commit(void)
{
    if (changes > INVALIDATE_AT_MOST)
        load_cr3(read_cr3());
    else
        for (uint32_t n = 0; n < changes; n++)
            invalidate(changed[n]);
    changes = 0;
}

static void set_entry(uint32_t *entry, uint32_t value, uint32_t linear, bool soon)
{
    (void)soon;                     /* the CPU looks for itself when the page is used */
    bool was_present = *entry & 1;
    *entry = value;
    if (was_present)                /* what was not present is in no TLB (SDM 3A 4.10.2.3) */
        changed[changes++] = linear;
    if (changes >= batch_limit)
        commit();
}

static void load_space(uint32_t directory, bool fresh)
{
    (void)fresh;
    load_cr3(directory);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------------------- */

static void console_write(const char *text, uint32_t length)
{
    while (length--)
        print_char(*text++);
}

static void give_way(void)
{
}

/* A POST code: visible to whoever watches port 0x80, and harmless anywhere. */
static void mark(uint32_t id, uint32_t value)
{
    outb(POST, (uint8_t)(id << 1 | (value & 1)));
}

__attribute__((noreturn)) static void power_off(int status)
{
    serial_drain();
    if (status == 0) {
        outw(POWER_OFF, POWER_OFF_VALUE);
        outw(POWER_OFF_BOCHS, POWER_OFF_VALUE);
    } else {
        outb(DEBUG_EXIT, (uint8_t)status);
    }
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

static void idle(void)
{
    wait_for_interrupt();
}

/* The timer's interrupt is the only clock there is. */
void full_tick(void)
{
    elapsed += TICK;
}

const struct machine_ops full_machine = {
    .sweep = 1, .granularity = TICK, .start = start, .console_write = console_write, .now = now, .precise = precise, .wake_in = wake_in, .tick_soon = tick_soon,
    .set_entry = set_entry, .commit = commit, .load_space = load_space, .idle = idle, .give_way = give_way, .mark = mark, .power_off = power_off,
};
