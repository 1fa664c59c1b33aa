/* runtime.c - console and the four functions that GCC calls on its own (GCC manual 2.1, "freestanding"). */
#include "toyvmm.h"

/* 115,200 baud, eight data bits, no parity, one stop bit (16550 data sheet, LCR and divisor latch). */
void serial_init(void)
{
    outb(COM1_LCR, 0x83);
    outb(COM1, 1);
    outb(COM1 + 1, 0);
    outb(COM1_LCR, 0x03);
}

/* Waits until the last character has left the UART, before the plug is pulled. */
void serial_drain(void)
{
    while (!(inb(COM1_LSR) & LSR_TEMT)) {
    }
}

void print_char(char c)
{
    while (!(inb(COM1_LSR) & LSR_THRE)) {
    }
    outb(COM1, (uint8_t)c);
}

void print(const char *text)
{
    while (*text)
        print_char(*text++);
}

void print_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        print_char("0123456789ABCDEF"[(value >> shift) & 15]);
}

void print_dec(uint32_t value)
{
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n)
        print_char(digits[--n]);
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);
    char *t = (char *)to + n;
    const char *f = (const char *)from + n;
    while (n--)
        *--t = *--f;
    return to;
}

void *memset(void *to, int value, size_t n)
{
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}
