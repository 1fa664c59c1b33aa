/* paravirt.c - the machine for a guest that knows where it runs (docs/hypercalls.md): it says what it means, in one call. The console takes
 * lines, not bytes; the clock is a page that the VMM keeps; the timer rings when asked to, not a hundred times a second; page-table entries
 * are handed over in batches, with the addresses they map, so that the VMM need not find out by faults.
 *
 * What is typed still comes by way of the UART and its interrupt: there is no call for it. */
#include "hypercalls.h"
#include "kernel.h"

enum { CPUID_HYPERVISOR = 1u << 31 };
enum { NEEDED = 1 << TOYVMM_CALL_CONSOLE_WRITE | 1 << TOYVMM_CALL_EXIT | 1 << TOYVMM_CALL_YIELD | 1 << TOYVMM_CALL_CLOCK_PAGE
           | 1 << TOYVMM_CALL_SET_TIMER | 1 << TOYVMM_CALL_MMU_UPDATE | 1 << TOYVMM_CALL_SET_PAGE_TABLE | 1 << TOYVMM_CALL_TRACE_MARK };

enum { PTE_PRESENT = 1, PTE_WRITABLE = 2, PTE_ACCESSED = 0x20, PTE_DIRTY = 0x40 };

#define NEVER UINT64_MAX

static struct toyvmm_clock_page clock __attribute__((aligned(PAGE_SIZE)));
static struct toyvmm_table_entry batch[MAX_BATCH];
static uint32_t batched;
static uint64_t armed = NEVER;      /* when the timer will ring */
static bool ticking;                /* it will, within a slice of when this became true */

static void cpuid(uint32_t leaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    __asm__("cpuid" : "=a"(*eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx) : "a"(leaf));
}

bool paravirtual_found(void)
{
    uint32_t eax, ebx, ecx, edx;
    cpuid(1, &eax, &ebx, &ecx, &edx);
    if (!(ecx & CPUID_HYPERVISOR))
        return false;
    cpuid(TOYVMM_CPUID_SIGNATURE, &eax, &ebx, &ecx, &edx);
    if (eax < TOYVMM_CPUID_FEATURES || ebx != 0x56796F54 || ecx != 0x6F546D6D || edx != 0x6D6D5679)     /* "ToyV", "mmTo", "yVmm" */
        return false;
    cpuid(TOYVMM_CPUID_FEATURES, &eax, &ebx, &ecx, &edx);
    return eax == TOYVMM_ABI_VERSION && (ebx & NEEDED) == NEEDED;
}

/* An error here is the kernel's own mistake. */
static void must(int32_t result, const char *call)
{
    if (result < 0)
        panic("%s: error %d", call, -result);
}

/* ---- time ----------------------------------------------------------------------------------------------------------------------- */

static void start(void)
{
    must(toyvmm_clock_page(physical((void *)&clock)), "clock_page");
    clock.vector = VECTOR_EVENT;                /* afterwards: the call clears the page */
    start_interrupt_controllers(1 << 4);        /* the UART's receiver; the 8254 stays alone */
}

static uint64_t now(void)
{
    for (;;) {
        uint32_t version = clock.version;
        uint64_t time = clock.time_ns + ((read_tsc() - clock.tsc) * clock.ns_mul >> clock.ns_shift);
        if (!(version & 1) && version == clock.version)
            return time;
    }
}

static void wake_in(uint64_t nanoseconds)
{
    uint64_t deadline = now() + nanoseconds;
    if (deadline >= armed)
        return;                     /* it rings before, and then whoever still needs it asks again */
    armed = deadline;
    must(toyvmm_set_timer((uint32_t)deadline, (uint32_t)(deadline >> 32)), "set_timer");
}

/* Asked at every wake-up: most times it is known already that it will ring in time. */
static void tick_soon(void)
{
    if (!ticking)
        wake_in(SLICE);
    ticking = true;
}

bool paravirtual_event(void)
{
    uint32_t pending = 0;
    __asm__ volatile("xchg %0, %1" : "+r"(pending), "+m"(clock.pending));
    if (!(pending & TOYVMM_PENDING_TIMER))
        return false;
    armed = NEVER;
    ticking = false;
    return true;
}

/* ---- paging --------------------------------------------------------------------------------------------------------------------- */

static void commit(void)
{
    if (batched)
        must(toyvmm_mmu_update(physical(batch), batched), "mmu_update");
    batched = 0;
}

/* The VMM makes a page usable at once if the entry says that it has been used: accessed, and dirty where it may be stored to. Nothing here asks
 * those bits whether it has. */
static void set_entry(uint32_t *entry, uint32_t value, uint32_t linear, bool soon)
{
    if (value & PTE_PRESENT)
        value |= value & PTE_WRITABLE ? PTE_ACCESSED | PTE_DIRTY : PTE_ACCESSED;
    batch[batched++] = (struct toyvmm_table_entry){ physical(entry), soon ? linear : TOYVMM_NOTHING, value };
    if (batched >= batch_limit)
        commit();
}

static void load_space(uint32_t directory, bool fresh)
{
    must(toyvmm_set_page_table(directory, fresh), "set_page_table");
}

/* ---- the rest ------------------------------------------------------------------------------------------------------------------- */

static void console_write(const char *text, uint32_t length)
{
    must(toyvmm_console_write(physical(text), length), "console_write");
}

static void idle(void)
{
    wait_for_interrupt();           /* HLT says it all: not before the next event */
}

static void give_way(void)
{
    must(toyvmm_yield(), "yield");
}

static void mark(uint32_t id, uint32_t value)
{
    must(toyvmm_trace_mark(id, value), "trace_mark");
}

/* The status that the debug-exit port would give, so that both machines end alike. */
__attribute__((noreturn)) static void power_off(int status)
{
    toyvmm_exit(status == 0 ? 0 : ((uint32_t)status << 1 & 0xFF) | 1);
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

const struct machine_ops paravirtual_machine = {
    .paravirtual = true, .sweep = 32, .granularity = 0, .start = start, .console_write = console_write, .now = now, .precise = now, .wake_in = wake_in, .tick_soon = tick_soon,
    .set_entry = set_entry, .commit = commit, .load_space = load_space, .idle = idle, .give_way = give_way, .mark = mark,
    .power_off = power_off,
};
