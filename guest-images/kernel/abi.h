/* abi.h - what programs and the kernel agree on: INT 0x80, EAX = number, EBX ECX EDX = arguments, EAX = result.
 * A result from -4095 to -1 is an error with Linux's number. */
#ifndef ABI_H
#define ABI_H

#include <stdint.h>

enum system_call {
    SYS_EXIT,           /* (status)                 never returns */
    SYS_FORK,           /* ()                       the child's pid; 0 in the child */
    SYS_WAIT,           /* (int *status)            the pid of a child that ended */
    SYS_EXEC,           /* (name, argv)             only errors return */
    SYS_READ,           /* (fd, buffer, length)     bytes read; 0: end of file */
    SYS_WRITE,          /* (fd, buffer, length)     bytes written */
    SYS_OPEN,           /* (name)                   a descriptor, for reading */
    SYS_CLOSE,          /* (fd) */
    SYS_PIPE,           /* (int fd[2])              fd[0] reads what fd[1] wrote */
    SYS_DUP2,           /* (from, to)               to */
    SYS_GETPID,
    SYS_YIELD,          /* ()                       whoever is ready runs first */
    SYS_SLEEP,          /* (milliseconds) */
    SYS_KILL,           /* (pid)                    it ends with status 128 + 9 */
    SYS_BREAK,          /* (address)                the heap's new end; 0 asks; the end as it is now */
    SYS_MMAP,           /* (length)                 the address of new pages: zero, and there once they are touched */
    SYS_MUNMAP,         /* (address, length) */
    SYS_PROTECT,        /* (address, length, writable) */
    SYS_CLOCK,          /* (uint64_t *)             microseconds since the start */
    SYS_MARK,           /* (id, value)              a mark for whoever watches from outside */
    SYS_INFO,           /* (struct system_info *) */
    SYS_PROCESS,        /* (slot, struct process_info *)   1, 0 for a free slot, -EINVAL behind the last one */
    SYS_NAME,           /* (n, char[NAME_SIZE])     the n-th file's length, -ENOENT behind the last one */
    SYS_TUNE,           /* (batch)                  page-table entries handed over at once, 1 to MAX_BATCH */
    SYSTEM_CALLS
};

enum error { EPERM = 1, ENOENT = 2, ESRCH = 3, EIO = 5, E2BIG = 7, ENOEXEC = 8, EBADF = 9, ECHILD = 10, EAGAIN = 11, ENOMEM = 12, EFAULT = 14,
             EINVAL = 22, ENFILE = 23, EMFILE = 24, EPIPE = 32, ENOSYS = 38 };

enum { PAGE_SIZE = 4096, NAME_SIZE = 16, MAX_PROCESSES = 48, MAX_FDS = 16, MAX_ARGUMENTS = 16, PIPE_SIZE = PAGE_SIZE, MAX_BATCH = 64 };

/* Where programs live: 1 GiB of kernel below them, nothing above. */
#define USER_BASE 0x40000000u
#define MMAP_BASE 0x80000000u
#define USER_TOP 0xC0000000u
#define STACK_SIZE (64u * PAGE_SIZE)

enum { KILLED = 128 };      /* a status from here on: 128 + exception vector, or 128 + 9 for kill() */

struct system_info {
    uint32_t total_pages, free_pages, processes, open_files, pipes;
    uint32_t page_faults, switches, ticks;
    uint32_t paravirtual;
};

struct process_info {
    int pid, parent;
    uint32_t state;             /* enum process_state */
    uint32_t pages;
    char name[NAME_SIZE];
};

enum process_state { FREE, READY, RUNNING, BLOCKED, ZOMBIE };

#endif
