/* work.h - the contract between a compute guest's work.c and the two mains around it.
   work.c knows no operating system, no floating point and no 64-bit division; it runs the same way in the guest
   (compute_main.c) and natively (native_main.c), so the two can be timed against each other. */
#ifndef WORK_H
#define WORK_H

#include <stddef.h>
#include <stdint.h>

extern const char work_name[];
extern const uint32_t work_default_scale;

/* Does `scale` units of work; the checksum depends on all of it. */
uint32_t work(uint32_t scale);

/* One step of a 32-bit xorshift generator (shifts 13, 17, 5): every workload's source of data. Never give it 0. */
static inline uint32_t next_random(uint32_t x)
{
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

#endif
