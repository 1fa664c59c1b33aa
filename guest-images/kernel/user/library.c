/* library.c - how a program begins, and the text functions of user.h. */
#include "../format.h"
#include "user.h"

/* The kernel leaves argc and argv on the stack; CALL puts a return address below them, and that is how main() finds its arguments. */
__asm__(".text\n"
        ".globl _start\n"
        "_start: xor %ebp, %ebp\n"
        "  call main\n"
        "  mov %eax, %ebx\n"
        "  xor %eax, %eax\n"        /* SYS_EXIT */
        "  int $0x80\n");

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return result;
}

void *memset(void *to, int value, size_t n)
{
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    return result;
}

uint32_t length(const char *text)
{
    uint32_t n = 0;
    while (text[n])
        n++;
    return n;
}

bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool number(const char *text, uint32_t *value)
{
    if (!*text)
        return false;
    for (*value = 0; *text >= '0' && *text <= '9'; text++)
        *value = *value * 10 + (uint32_t)(*text - '0');
    return !*text;
}

static void put(int fd, const char *format, va_list arguments)
{
    char text[256];
    write(fd, text, format_text(text, sizeof text, format, arguments));
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(1, format, arguments);
    va_end(arguments);
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(2, format, arguments);
    va_end(arguments);
}
