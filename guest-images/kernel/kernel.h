/* kernel.h - the kernel's parts and what they ask of each other, in the order in which they build on each other. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi.h"
#include "toyvmm.h"

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

/* ---- selectors and vectors (entry.asm has the same numbers) --------------------------------------------------------- */
enum { KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_CODE = 0x1B, USER_DATA = 0x23 };
enum { VECTOR_PAGE_FAULT = 14, VECTOR_IRQ = 0x20, VECTOR_EVENT = 0x30, VECTOR_SYSTEM_CALL = 0x80 };

#define EFLAGS_IF (1u << 9)

/* What entry.asm leaves on the stack: PUSHAD's registers, the vector, and what the CPU pushed (SDM 3A 6.12.1). */
struct trap_frame {
    uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax;
    uint32_t vector, error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss;           /* only where the trap came from ring 3 */
};

/* ---- machine.c: what a real machine and a paravirtual one do differently --------------------------------------------- */
#define SLICE 10000000ull           /* nanoseconds that a process may run while others are ready */
struct machine_ops {
    bool paravirtual;
    uint32_t sweep;             /* pages that a process which sweeps through new ones gets at one fault, at most */
    uint32_t granularity;       /* now() is late by so many nanoseconds at most */
    void (*start)(void);                                        /* interrupts and the clock, before the first process */
    void (*console_write)(const char *text, uint32_t length);   /* text in the kernel's memory */
    uint64_t (*now)(void);                                      /* nanoseconds since the start, never less than before; cheap, maybe coarse */
    uint64_t (*precise)(void);                                  /* the same, as exact as can be */
    void (*wake_in)(uint64_t nanoseconds);                      /* a timer interrupt by then (a tick later at most) */
    void (*tick_soon)(void);                                    /* one within a slice, as somebody waits for the turn of whoever runs */
    void (*set_entry)(uint32_t *entry, uint32_t value, uint32_t linear, bool soon);     /* of the page, in the address space in CR3; not before
                                                                   commit() is it so; soon: it is about to be used */
    void (*commit)(void);
    void (*load_space)(uint32_t directory, bool fresh);         /* fresh: no CPU has ever seen this page directory as it is now */
    void (*idle)(void);                                         /* until an interrupt has been served; interrupts are off before and after */
    void (*give_way)(void);                                     /* a process has nothing to do, and nobody else is ready */
    void (*mark)(uint32_t id, uint32_t value);
    void (*power_off)(int status) __attribute__((noreturn));
};

extern const struct machine_ops *machine;
extern const struct machine_ops full_machine, paravirtual_machine;
extern uint32_t batch_limit;        /* entries gathered before they are handed over (SYS_TUNE) */
bool paravirtual_found(void);
void full_tick(void);
bool acknowledge_irq(uint32_t irq);     /* false: it was spurious */
void start_interrupt_controllers(uint16_t enabled);
bool paravirtual_event(void);           /* VECTOR_EVENT came: true if it was the timer */

/* ---- console.c -------------------------------------------------------------------------------------------------------- */
__attribute__((format(printf, 1, 2))) void kprintf(const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *format, ...);
void console_interrupt(void);
int console_read(char *to, uint32_t length);
int console_write_user(const char *from, uint32_t length);
void console_start(void);

/* ---- memory.c: page frames ---------------------------------------------------------------------------------------------- */
extern uint32_t total_pages, free_pages;
void memory_start(uint32_t bytes);
uint32_t frame_allocate(void);          /* a physical address with one user, contents unknown; 0: none left */
void frame_share(uint32_t frame);
void frame_release(uint32_t frame);     /* one user less; free when it was the last */
bool frame_is_shared(uint32_t frame);
void copy_page(void *to, const void *from);
void clear_page(void *page);

/* The kernel's addresses are physical ones: the first gibibyte is mapped one to one. */
static inline void *at(uint32_t physical) { return (void *)physical; }
static inline uint32_t physical(const void *pointer) { return (uint32_t)pointer; }

/* ---- space.c: address spaces --------------------------------------------------------------------------------------------- */
enum { MAX_REGIONS = 16 };

struct region {
    uint32_t start, end;        /* page-aligned; equal: a free slot */
    bool writable;
};

struct address_space {
    uint32_t *directory;
    bool live;                  /* has been in CR3: its entries must change by way of the machine */
    uint32_t pages;             /* mapped */
    uint32_t heap_start, heap_end;      /* as SYS_BREAK sees it, not page-aligned */
    uint32_t next_touch, window;        /* fault-around: where the next fault of a sweep would be, and how many pages it gets */
    struct region regions[MAX_REGIONS];
};

extern uint32_t page_faults;
void paging_start(uint32_t bytes);
int space_create(struct address_space *space);
int space_fork(struct address_space *from, struct address_space *to, uint32_t stack_pointer);
void space_destroy(struct address_space *space);
void space_load(struct address_space *space);       /* NULL: the kernel's own */
struct region *region_add(struct address_space *space, uint32_t start, uint32_t end, bool writable);
int space_map_new(struct address_space *space, uint32_t linear, bool writable, uint32_t *frame);
int space_map_shared(struct address_space *space, uint32_t linear, uint32_t frame);
int space_fault(struct address_space *space, uint32_t linear, bool write);
int space_break(struct address_space *space, uint32_t end);
int space_mmap(struct address_space *space, uint32_t length);
int space_munmap(struct address_space *space, uint32_t start, uint32_t length);
int space_protect(struct address_space *space, uint32_t start, uint32_t length, bool writable);

/* Makes sure that the running process may access [address, address + length), so that the kernel can copy. 0 or an error. */
int user_access(const void *address, uint32_t length, bool write);
void copy_in(void *to, const void *from, uint32_t length);      /* from the running process: after user_access() */
void copy_out(void *to, const void *from, uint32_t length);     /* to it: the same */
int copy_string(char *to, const char *from, uint32_t size);     /* from it; its length, or an error: needs no user_access() */

/* ---- file.c: descriptors, pipes, files in memory -------------------------------------------------------------------------- */
struct file;
int file_open(const char *name);
int file_pipe(int *fds);
int file_close(int fd);
int file_dup2(int from, int to);
int file_read(int fd, char *to, uint32_t length);
int file_write(int fd, const char *from, uint32_t length);
void files_inherit(struct file *const *from, struct file **to);
void files_close_all(struct file **files);
struct file *file_console(void);
const uint8_t *file_contents(const char *name, uint32_t *length);
int file_name(uint32_t n, const char **name);
void file_count(uint32_t *open, uint32_t *pipes);

/* ---- process.c ------------------------------------------------------------------------------------------------------------ */
struct process {
    enum process_state state;
    int pid;
    struct process *parent;
    int status;                 /* of a zombie */
    bool killed;                /* ends when it would return to ring 3 */
    const void *waiting_for;    /* of a blocked one: any address that its waker knows too */
    uint64_t wake_time;         /* of a sleeper; 0: none */
    uint32_t kernel_esp;        /* of one that does not run */
    struct process *next;       /* in the queue of those that are ready */
    struct address_space space;
    struct file *files[MAX_FDS];
    char name[NAME_SIZE];
};

extern struct process processes[MAX_PROCESSES];
extern struct process *current;
extern bool need_resched;
extern uint32_t switches, ticks;
__attribute__((noreturn)) void processes_start(const char *program, const char *const *arguments);
int process_fork(const struct trap_frame *frame);
__attribute__((noreturn)) void process_exit(int status);
int process_wait(int *status);          /* memory of the kernel's, as everywhere but in user_access() and what copies */
int process_kill(int pid);
int process_sleep(uint32_t milliseconds);
void sleep_on(const void *event);       /* until wake(event); the caller looks again whether what it waited for is there */
void wake(const void *event);
void schedule(void);                    /* somebody else's turn: the caller's state says whether it is ready itself */
bool give_up_turn(void);
void timer_interrupt(void);
struct trap_frame *user_frame(struct process *process);

/* ---- exec.c --------------------------------------------------------------------------------------------------------------- */
int process_exec(const char *name, uint32_t arguments_page, uint32_t count, struct trap_frame *frame);
int gather_arguments(const char *const *arguments, bool from_user, uint32_t *page);

/* ---- trap.c, syscall.c, entry.asm ------------------------------------------------------------------------------------------ */
extern bool quiet;
void traps_start(void);
void set_kernel_stack(uint32_t top);    /* where traps from ring 3 begin */
int system_call(struct trap_frame *frame);
void switch_stacks(uint32_t *from, uint32_t to);
__attribute__((noreturn)) void return_to_user(struct trap_frame *frame);
void trap_return(void);
extern const uint32_t trap_stubs[];
extern const uint32_t trap_stubs_end[];

struct embedded_file { char name[NAME_SIZE]; const uint8_t *start, *end; };
extern const struct embedded_file embedded_files[], embedded_files_end[];
extern char image_end[];        /* link.ld */

/* ---- instructions that C has no words for ----------------------------------------------------------------------------------- */
static inline void outw(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void invalidate(uint32_t linear) { __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory"); }
static inline void load_cr3(uint32_t value) { __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }
static inline uint32_t read_cr3(void) { uint32_t value; __asm__ volatile("mov %%cr3, %0" : "=r"(value)); return value; }
static inline uint32_t read_cr2(void) { uint32_t value; __asm__ volatile("mov %%cr2, %0" : "=r"(value)); return value; }
static inline uint64_t read_tsc(void) { uint64_t value; __asm__ volatile("rdtsc" : "=A"(value)); return value; }

/* STI holds interrupts off for one more instruction: none can come between it and HLT, and be slept over (SDM 2B, STI). */
static inline void wait_for_interrupt(void) { __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory"); }

static inline uint32_t page_of(uint32_t address) { return address & -(uint32_t)PAGE_SIZE; }
static inline uint32_t page_up(uint32_t address) { return page_of(address + PAGE_SIZE - 1); }
static inline bool is_error(int result) { return result < 0 && result > -4096; }

#endif
