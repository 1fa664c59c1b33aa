/* format.h - printf's lesser half: %d %u %x %c %s %%, with a width (%5u, %-8s). For the kernel and for programs. */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stdint.h>

/* Writes at most size - 1 characters and a zero; the number of characters. */
uint32_t format_text(char *to, uint32_t size, const char *format, va_list arguments);

#endif
