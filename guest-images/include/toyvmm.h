/* toyvmm.h - what a C guest has instead of a C library: ports, the serial console, mem* (runtime.c). */
#ifndef TOYVMM_H
#define TOYVMM_H

#include <stddef.h>
#include <stdint.h>

#define COM1 0x3F8
#define COM1_LCR (COM1 + 3)
#define COM1_LSR (COM1 + 5)
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define MULTIBOOT_MAGIC 0x2BADB002u
#define MULTIBOOT_HAS_MEMORY (1u << 0)
#define MULTIBOOT_HAS_COMMAND_LINE (1u << 2)

/* The head of the Multiboot information structure (Multiboot 0.6.96, 3.3). */
struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower;         /* KiB below 1 MiB */
    uint32_t mem_upper;         /* KiB from 1 MiB on */
    uint32_t boot_device;
    const char *command_line;
};

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void serial_init(void);
void serial_drain(void);
void print_char(char c);
void print(const char *text);
void print_hex(uint32_t value);
void print_dec(uint32_t value);

/* The guest's own code; the result is the verdict (see start.asm). */
int guest_main(uint32_t magic, const struct multiboot_info *info);

#endif
