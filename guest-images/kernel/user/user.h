/* user.h - what a program has: system calls by name, and a little text handling. */
#ifndef USER_H
#define USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../abi.h"

static inline int call3(int number, uint32_t a, uint32_t b, uint32_t c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

#define CALL0(n) call3(n, 0, 0, 0)
#define CALL1(n, a) call3(n, (uint32_t)(a), 0, 0)
#define CALL2(n, a, b) call3(n, (uint32_t)(a), (uint32_t)(b), 0)
#define CALL3(n, a, b, c) call3(n, (uint32_t)(a), (uint32_t)(b), (uint32_t)(c))

__attribute__((noreturn)) static inline void exit(int status) { for (;;) CALL1(SYS_EXIT, status); }
static inline int fork(void) { return CALL0(SYS_FORK); }
static inline int wait(int *status) { return CALL1(SYS_WAIT, status); }
static inline int exec(const char *name, const char *const *arguments) { return CALL2(SYS_EXEC, name, arguments); }
static inline int read(int fd, void *to, uint32_t length) { return CALL3(SYS_READ, fd, to, length); }
static inline int write(int fd, const void *from, uint32_t length) { return CALL3(SYS_WRITE, fd, from, length); }
static inline int open(const char *name) { return CALL1(SYS_OPEN, name); }
static inline int close(int fd) { return CALL1(SYS_CLOSE, fd); }
static inline int pipe(int *fds) { return CALL1(SYS_PIPE, fds); }
static inline int dup2(int from, int to) { return CALL2(SYS_DUP2, from, to); }
static inline int getpid(void) { return CALL0(SYS_GETPID); }
static inline int yield(void) { return CALL0(SYS_YIELD); }
static inline int sleep(uint32_t milliseconds) { return CALL1(SYS_SLEEP, milliseconds); }
static inline int kill(int pid) { return CALL1(SYS_KILL, pid); }
static inline int set_break(uint32_t end) { return CALL1(SYS_BREAK, end); }
static inline void *mmap(uint32_t length) { return (void *)CALL1(SYS_MMAP, length); }
static inline int munmap(void *start, uint32_t length) { return CALL2(SYS_MUNMAP, start, length); }
static inline int protect(void *start, uint32_t length, bool writable) { return CALL3(SYS_PROTECT, start, length, writable); }
static inline int clock(uint64_t *microseconds) { return CALL1(SYS_CLOCK, microseconds); }
static inline int mark(uint32_t id, uint32_t value) { return CALL2(SYS_MARK, id, value); }
static inline int info(struct system_info *to) { return CALL1(SYS_INFO, to); }
static inline int tune(uint32_t batch) { return CALL1(SYS_TUNE, batch); }

/* A pointer that is an error, as mmap() returns it. */
static inline bool failed(const void *pointer) { return (uint32_t)pointer > 0xFFFFF000u; }

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
uint32_t length(const char *text);
bool same(const char *a, const char *b);
bool number(const char *text, uint32_t *value);         /* decimal, and nothing behind it */
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);      /* one write(1, ...) */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);   /* to descriptor 2 */
int main(int argc, char **argv);

#endif
