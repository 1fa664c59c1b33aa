/* hypercalls.h - the paravirtual interface, for C guests. Written from the monitor's own table (HypercallCatalog); a test compares. */
#ifndef HYPERCALLS_H
#define HYPERCALLS_H

#include <stdint.h>

#define TOYVMM_CALL_FEATURES 0
#define TOYVMM_CALL_CONSOLE_WRITE 1
#define TOYVMM_CALL_EXIT 2
#define TOYVMM_CALL_YIELD 3
#define TOYVMM_CALL_CLOCK_PAGE 4
#define TOYVMM_CALL_SET_TIMER 5
#define TOYVMM_CALL_MMU_UPDATE 6
#define TOYVMM_CALL_SET_PAGE_TABLE 7
#define TOYVMM_CALL_BALLOON 8
#define TOYVMM_CALL_EVENT_SEND 9
#define TOYVMM_CALL_SHARE 10
#define TOYVMM_CALL_TRACE_MARK 11

#define TOYVMM_EPERM 1 /* the configuration does not allow it */
#define TOYVMM_EAGAIN 11 /* not now */
#define TOYVMM_ENOMEM 12 /* no memory */
#define TOYVMM_EFAULT 14 /* an address outside RAM */
#define TOYVMM_EINVAL 22 /* an argument that makes no sense */
#define TOYVMM_ENOSYS 38 /* no such call */

#define TOYVMM_ABI_VERSION 1u /* the version that this file describes */
#define TOYVMM_CPUID_SIGNATURE 0x40000000u /* leaf: EAX = the last leaf, EBX, ECX, EDX = ToyVmmToyVmm */
#define TOYVMM_CPUID_FEATURES 0x40000001u /* leaf: EAX = version, EBX = a bit for each call */
#define TOYVMM_CPUID_GUEST 0x40000002u /* leaf: EAX = this guest's number, EBX = most pages of RAM that it may ever have */
#define TOYVMM_NOTHING 0xFFFFFFFFu /* no page, no linear address */
#define TOYVMM_PENDING_TIMER 1u /* bit of pending: the timer */
#define TOYVMM_PENDING_MEMORY 2u /* bit of pending: balloon_target or memory_pages */
#define TOYVMM_FIRST_EVENT_PORT 2u /* the first port that guests may ring */
#define TOYVMM_SHARE_WITHDRAW 0u /* share: takes an offer back */
#define TOYVMM_SHARE_READ 1u /* share: offers for reading */
#define TOYVMM_SHARE_WRITE 2u /* share: offers for reading and writing */
#define TOYVMM_SHARE_ACCEPT 3u /* share: accepts */

/* The clock page. */
struct toyvmm_clock_page {
    volatile uint32_t version; /* 0x00: odd while the monitor writes: read it before and after the rest */
    volatile uint32_t pending; /* 0x04: what has happened: bit 0 timer, bit 1 balloon_target or memory_pages has changed, bits 2-31 events; clear bits with a locked instruction */
    volatile uint64_t tsc; /* 0x08: the time-stamp counter at the last update */
    volatile uint64_t time_ns; /* 0x10: guest time then, in nanoseconds since power-on */
    volatile uint32_t ns_mul; /* 0x18: now = time_ns + (((rdtsc - tsc) * ns_mul) >> ns_shift) */
    volatile uint32_t ns_shift; /* 0x1C: see ns_mul */
    volatile uint64_t wall_ns; /* 0x20: the date at time 0: nanoseconds since 1970, UTC */
    volatile uint32_t vector; /* 0x28: written by the guest: the vector, 32-255, with which a raised bit of pending interrupts; there is no EOI; 0: none */
    volatile uint32_t guest; /* 0x2C: this guest's number */
    volatile uint32_t balloon_target; /* 0x30: how many pages the host would like the balloon to hold */
    volatile uint32_t memory_pages; /* 0x34: where RAM ends, in pages: hot-add raises it */
    volatile uint64_t instructions; /* 0x38: retired so far */
    volatile uint64_t idle_ns; /* 0x40: time slept so far */
} __attribute__((packed, aligned(8)));

/* An entry of mmu_update. */
struct toyvmm_table_entry {
    uint32_t entry; /* 0x00: where the entry is to be stored: aligned to its size, 4 or with PAE 8 bytes */
    uint32_t linear; /* 0x04: the page that it maps in the current address space; 0xFFFFFFFF: none */
    uint64_t value; /* 0x08: the entry */
} __attribute__((packed, aligned(8)));

/* Any call: the result, or an error, negated. Memory may be read and written. */
static inline int32_t toyvmm_call(uint32_t number, uint32_t ebx, uint32_t ecx, uint32_t edx, uint32_t esi)
{
    int32_t result;
    __asm__ volatile(".byte 0x0F, 0x01, 0xC1" : "=a"(result) : "a"(number), "b"(ebx), "c"(ecx), "d"(edx), "S"(esi) : "memory");
    return result;
}

static inline int32_t toyvmm_features(void)
{
    return toyvmm_call(TOYVMM_CALL_FEATURES, 0, 0, 0, 0);
}

static inline int32_t toyvmm_console_write(uint32_t gpa, uint32_t length)
{
    return toyvmm_call(TOYVMM_CALL_CONSOLE_WRITE, gpa, length, 0, 0);
}

static inline int32_t toyvmm_exit(uint32_t code)
{
    return toyvmm_call(TOYVMM_CALL_EXIT, code, 0, 0, 0);
}

static inline int32_t toyvmm_yield(void)
{
    return toyvmm_call(TOYVMM_CALL_YIELD, 0, 0, 0, 0);
}

static inline int32_t toyvmm_clock_page(uint32_t gpa)
{
    return toyvmm_call(TOYVMM_CALL_CLOCK_PAGE, gpa, 0, 0, 0);
}

static inline int32_t toyvmm_set_timer(uint32_t deadline_low, uint32_t deadline_high)
{
    return toyvmm_call(TOYVMM_CALL_SET_TIMER, deadline_low, deadline_high, 0, 0);
}

static inline int32_t toyvmm_mmu_update(uint32_t gpa, uint32_t count)
{
    return toyvmm_call(TOYVMM_CALL_MMU_UPDATE, gpa, count, 0, 0);
}

static inline int32_t toyvmm_set_page_table(uint32_t gpa, uint32_t recycled)
{
    return toyvmm_call(TOYVMM_CALL_SET_PAGE_TABLE, gpa, recycled, 0, 0);
}

static inline int32_t toyvmm_balloon(uint32_t gpa, uint32_t count, uint32_t deflate)
{
    return toyvmm_call(TOYVMM_CALL_BALLOON, gpa, count, deflate, 0);
}

static inline int32_t toyvmm_event_send(uint32_t guest, uint32_t port)
{
    return toyvmm_call(TOYVMM_CALL_EVENT_SEND, guest, port, 0, 0);
}

static inline int32_t toyvmm_share(uint32_t gpa, uint32_t guest, uint32_t what, uint32_t tag)
{
    return toyvmm_call(TOYVMM_CALL_SHARE, gpa, guest, what, tag);
}

static inline int32_t toyvmm_trace_mark(uint32_t id, uint32_t value)
{
    return toyvmm_call(TOYVMM_CALL_TRACE_MARK, id, value, 0, 0);
}

#endif
