/* syscall.c - the table of system calls: arguments are looked at here, the work is done elsewhere. */
#include "kernel.h"

typedef int handler(struct trap_frame *frame);

static int sys_exit(struct trap_frame *f) { process_exit((int)(f->ebx & 0x7F)); }
static int sys_fork(struct trap_frame *f) { return process_fork(f); }
static int sys_read(struct trap_frame *f) { return file_read((int)f->ebx, (char *)f->ecx, f->edx); }
static int sys_write(struct trap_frame *f) { return file_write((int)f->ebx, (const char *)f->ecx, f->edx); }
static int sys_close(struct trap_frame *f) { return file_close((int)f->ebx); }
static int sys_dup2(struct trap_frame *f) { return file_dup2((int)f->ebx, (int)f->ecx); }
static int sys_getpid(struct trap_frame *f) { (void)f; return current->pid; }
static int sys_sleep(struct trap_frame *f) { return process_sleep(f->ebx); }
static int sys_kill(struct trap_frame *f) { return process_kill((int)f->ebx); }
static int sys_break(struct trap_frame *f) { return space_break(&current->space, f->ebx); }
static int sys_mmap(struct trap_frame *f) { return space_mmap(&current->space, f->ebx); }
static int sys_munmap(struct trap_frame *f) { return space_munmap(&current->space, f->ebx, f->ecx); }
static int sys_protect(struct trap_frame *f) { return space_protect(&current->space, f->ebx, f->ecx, f->edx != 0); }

static int sys_wait(struct trap_frame *f)
{
    int status, result = user_access((int *)f->ebx, sizeof status, true);
    if (result < 0 || (result = process_wait(&status)) < 0)
        return result;
    copy_out((int *)f->ebx, &status, sizeof status);
    return result;
}

static int sys_exec(struct trap_frame *f)
{
    uint32_t page;
    char name[NAME_SIZE];
    int result = copy_string(name, (const char *)f->ebx, NAME_SIZE);
    if (result == -E2BIG)
        return -ENOENT;             /* no file has a name as long as that */
    if (result < 0)
        return result;
    result = gather_arguments((const char *const *)f->ecx, true, &page);
    if (result < 0)
        return result;
    result = process_exec(name, page, (uint32_t)result, f);
    return result < 0 ? result : (int)f->eax;
}

static int sys_open(struct trap_frame *f)
{
    char name[NAME_SIZE];
    int result = copy_string(name, (const char *)f->ebx, NAME_SIZE);
    return result == -E2BIG ? -ENOENT : result < 0 ? result : file_open(name);
}

static int sys_pipe(struct trap_frame *f)
{
    int fds[2], result = user_access((int *)f->ebx, sizeof fds, true);
    if (result < 0 || (result = file_pipe(fds)) < 0)
        return result;
    copy_out((int *)f->ebx, fds, sizeof fds);
    return 0;
}

static int sys_yield(struct trap_frame *f)
{
    (void)f;
    if (!give_up_turn())
        machine->give_way();
    return 0;
}

static int sys_clock(struct trap_frame *f)
{
    int result = user_access((uint64_t *)f->ebx, sizeof(uint64_t), true);
    if (result < 0)
        return result;
    uint64_t time = machine->precise();
    uint32_t high = (uint32_t)(time >> 32), low = (uint32_t)time, remainder = high % 1000;
    __asm__("divl %2" : "+a"(low), "+d"(remainder) : "r"(1000));       /* 64 bits by 32, as there is no library for it */
    time = (uint64_t)(high / 1000) << 32 | low;
    copy_out((uint64_t *)f->ebx, &time, sizeof time);
    return 0;
}

static int sys_mark(struct trap_frame *f)
{
    machine->mark(f->ebx, f->ecx);
    return 0;
}

static int sys_info(struct trap_frame *f)
{
    int result = user_access((struct system_info *)f->ebx, sizeof(struct system_info), true);
    if (result < 0)
        return result;
    struct system_info system = { .total_pages = total_pages, .free_pages = free_pages, .page_faults = page_faults, .switches = switches, .ticks = ticks,
                                  .paravirtual = machine->paravirtual };
    for (struct process *p = processes; p < processes + MAX_PROCESSES; p++)
        system.processes += p->state != FREE;
    file_count(&system.open_files, &system.pipes);
    copy_out((struct system_info *)f->ebx, &system, sizeof system);
    return 0;
}

static int sys_process(struct trap_frame *f)
{
    int result = user_access((struct process_info *)f->ecx, sizeof(struct process_info), true);
    if (result < 0)
        return result;
    if (f->ebx >= MAX_PROCESSES)
        return -EINVAL;
    struct process *p = &processes[f->ebx];
    if (p->state == FREE)
        return 0;
    struct process_info process = { .pid = p->pid, .parent = p->parent ? p->parent->pid : 0, .state = p->state, .pages = p->space.pages };
    memcpy(process.name, p->name, NAME_SIZE);
    copy_out((struct process_info *)f->ecx, &process, sizeof process);
    return 1;
}

static int sys_name(struct trap_frame *f)
{
    const char *name;
    int result = user_access((char *)f->ecx, NAME_SIZE, true);
    if (result < 0 || (result = file_name(f->ebx, &name)) < 0)
        return result;
    copy_out((char *)f->ecx, name, NAME_SIZE);
    return result;
}

static int sys_tune(struct trap_frame *f)
{
    if (f->ebx == 0 || f->ebx > MAX_BATCH)
        return -EINVAL;
    batch_limit = f->ebx;
    return 0;
}

static handler *const handlers[SYSTEM_CALLS] = {
    [SYS_EXIT] = sys_exit, [SYS_FORK] = sys_fork, [SYS_WAIT] = sys_wait, [SYS_EXEC] = sys_exec,
    [SYS_READ] = sys_read, [SYS_WRITE] = sys_write, [SYS_OPEN] = sys_open, [SYS_CLOSE] = sys_close, [SYS_PIPE] = sys_pipe, [SYS_DUP2] = sys_dup2,
    [SYS_GETPID] = sys_getpid, [SYS_YIELD] = sys_yield, [SYS_SLEEP] = sys_sleep, [SYS_KILL] = sys_kill,
    [SYS_BREAK] = sys_break, [SYS_MMAP] = sys_mmap, [SYS_MUNMAP] = sys_munmap, [SYS_PROTECT] = sys_protect,
    [SYS_CLOCK] = sys_clock, [SYS_MARK] = sys_mark, [SYS_INFO] = sys_info, [SYS_PROCESS] = sys_process, [SYS_NAME] = sys_name, [SYS_TUNE] = sys_tune,
};

int system_call(struct trap_frame *frame)
{
    return frame->eax < SYSTEM_CALLS ? handlers[frame->eax](frame) : -ENOSYS;
}
