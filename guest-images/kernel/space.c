/* space.c - address spaces: page directories, what a program asked for (regions), and what it has (entries).
 *
 * The regions are the truth, the page tables follow on demand. A page of a region has no entry until it is touched; an entry that is
 * read-only in a writable region stands for a frame that may have several users, and the first store finds out (copy on write).
 *
 * An address space that no CPU has seen is built by plain stores. Once it has been in CR3 it is `live`: the CPU - and a VMM, which keeps much
 * more than a TLB does - may remember its entries, and every change goes through machine->set_entry() and commit(). Only the space in CR3
 * is ever changed so; the others wait, or are taken apart. An entry is not read again between set_entry() and commit(). */
#include "kernel.h"

enum { PRESENT = 1, WRITABLE = 2, USER = 4, LARGE = 0x80, GLOBAL = 0x100 };
enum { ENTRIES = 1024, LARGE_PAGE = 4 << 20, FLAGS = 0xFFF, CR4_PSE = 1 << 4, CR4_PGE = 1 << 7, CPUID_PSE = 1 << 3, CPUID_PGE = 1 << 13, FIRST_WINDOW = 4 };

#define FIRST_USER_ENTRY (USER_BASE / LARGE_PAGE)
#define LAST_USER_ENTRY (USER_TOP / LARGE_PAGE)

void enable_paging(uint32_t directory, uint32_t cr4_bits);

static uint32_t kernel_directory[ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static uint32_t loaded;             /* the page directory in CR3 */
uint32_t page_faults;

/* All of RAM at its physical addresses, in pages of 4 MiB that survive a load of CR3 (SDM 3A 4.10.2.4). The same in every address space. */
void paging_start(uint32_t bytes)
{
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    if (!(edx & CPUID_PSE))
        panic("this CPU has no 4 MiB pages");
    uint32_t global = edx & CPUID_PGE ? GLOBAL : 0;
    for (uint32_t n = 0; n < FIRST_USER_ENTRY && n * LARGE_PAGE < bytes; n++)
        kernel_directory[n] = n * LARGE_PAGE | PRESENT | WRITABLE | LARGE | global;
    loaded = physical(kernel_directory);
    enable_paging(loaded, CR4_PSE | (global ? CR4_PGE : 0));
}

static void set(struct address_space *space, uint32_t *entry, uint32_t value, uint32_t linear, bool soon)
{
    if (!space->live) {
        *entry = value;
        return;
    }
    if (physical(space->directory) != loaded)
        panic("a change of an address space that is not in CR3");
    machine->set_entry(entry, value, linear, soon);
}

/* The entry of a page. NULL: there is no table for it (and, with `create`, no memory for one). */
static uint32_t *entry_of(struct address_space *space, uint32_t linear, bool create)
{
    uint32_t *pointer = &space->directory[linear / LARGE_PAGE];
    if (!(*pointer & PRESENT)) {
        uint32_t table = create ? frame_allocate() : 0;
        if (table == 0)
            return NULL;
        clear_page(at(table));
        set(space, pointer, table | PRESENT | WRITABLE | USER, linear, false);
        if (space->live)
            machine->commit();      /* it is read again by the next page */
    }
    return (uint32_t *)at(page_of(*pointer)) + linear / PAGE_SIZE % ENTRIES;
}

/* ---- regions ------------------------------------------------------------------------------------------------------------ */

static struct region *region_of(struct address_space *space, uint32_t linear)
{
    for (struct region *r = space->regions; r < space->regions + MAX_REGIONS; r++)
        if (linear >= r->start && linear < r->end)
            return r;
    return NULL;
}

/* NULL: no slot, or something is there already, or it is not the user's. */
struct region *region_add(struct address_space *space, uint32_t start, uint32_t end, bool writable)
{
    struct region *slot = NULL;
    if (start < USER_BASE || end > USER_TOP || start >= end)
        return NULL;
    for (struct region *r = space->regions; r < space->regions + MAX_REGIONS; r++) {
        if (r->start == r->end)
            slot = slot ? slot : r;
        else if (start < r->end && r->start < end)
            return NULL;
    }
    if (slot)
        *slot = (struct region){ start, end, writable };
    return slot;
}

/* Afterwards no region crosses the address. */
static int region_split(struct address_space *space, uint32_t address)
{
    struct region *r = region_of(space, address);
    if (!r || r->start == address)
        return 0;
    uint32_t end = r->end;
    r->end = address;
    if (region_add(space, address, end, r->writable))
        return 0;
    r->end = end;
    return -ENOMEM;
}

/* ---- entries ------------------------------------------------------------------------------------------------------------ */

/* A new frame for a page of an address space that is being built, where it has none: its contents are the caller's. */
int space_map_new(struct address_space *space, uint32_t linear, bool writable, uint32_t *frame)
{
    uint32_t *entry = entry_of(space, linear, true);
    if (!entry)
        return -ENOMEM;
    if (*entry & PRESENT) {
        *frame = page_of(*entry);
        return 0;
    }
    *frame = frame_allocate();
    if (*frame == 0)
        return -ENOMEM;
    clear_page(at(*frame));
    set(space, entry, *frame | PRESENT | USER | (writable ? WRITABLE : 0), page_of(linear), true);
    space->pages++;
    return 0;
}

/* The same with a frame that others have too: nobody may store to it. */
int space_map_shared(struct address_space *space, uint32_t linear, uint32_t frame)
{
    uint32_t *entry = entry_of(space, linear, true);
    if (!entry)
        return -ENOMEM;
    set(space, entry, frame | PRESENT | USER, linear, true);
    frame_share(frame);
    space->pages++;
    return 0;
}

/* Makes a page of a region usable; the caller commits. */
static int resolve(struct address_space *space, const struct region *region, uint32_t page, bool write)
{
    uint32_t frame;
    uint32_t *entry = entry_of(space, page, true);
    if (!entry)
        return -ENOMEM;
    uint32_t value = *entry;
    if (!(value & PRESENT))
        return space_map_new(space, page, region->writable, &frame);
    if (!write || value & WRITABLE)
        return 0;
    uint32_t old = page_of(value);
    if (!frame_is_shared(old)) {        /* the others have let go: it can stay */
        set(space, entry, value | WRITABLE, page, true);
        return 0;
    }
    frame = frame_allocate();
    if (frame == 0)
        return -ENOMEM;
    copy_page(at(frame), at(old));
    set(space, entry, frame | PRESENT | USER | WRITABLE, page, true);
    frame_release(old);
    return 0;
}

/* A page fault at `linear`, or what would be one. 0: the access will work now. -EFAULT: there is nothing. -ENOMEM. */
int space_fault(struct address_space *space, uint32_t linear, bool write)
{
    uint32_t page = page_of(linear);
    struct region *region = region_of(space, page);
    if (!region || (write && !region->writable))
        return -EFAULT;
    page_faults++;

    /* Who touches one page after the other will touch the next ones too. Where several entries cost little more than one, they get theirs
     * now: twice as many at each fault that comes where the sweep was expected. Other faults get the one page they came for. */
    space->window = page == space->next_touch ? space->window * 2 : 1;
    if (space->window > machine->sweep)
        space->window = machine->sweep;
    space->next_touch = page + space->window * PAGE_SIZE;
    int result = resolve(space, region, page, write);
    for (uint32_t n = 1; n < space->window && result == 0 && page + n * PAGE_SIZE < region->end; n++)
        if (resolve(space, region, page + n * PAGE_SIZE, write) < 0)
            break;                      /* no memory for what nobody asked for: no matter */
    machine->commit();
    return result;
}

/* The entry of the first page of [*page, end) that has one; NULL: none does. For loops over what is there. */
static uint32_t *next_present(struct address_space *space, uint32_t *page, uint32_t end)
{
    while (*page < end) {
        uint32_t *entry = entry_of(space, *page, false);
        if (entry && *entry & PRESENT)
            return entry;
        *page = entry ? *page + PAGE_SIZE : (*page | (LARGE_PAGE - 1)) + 1;     /* no table: nothing in these 4 MiB */
    }
    return NULL;
}

static void unmap(struct address_space *space, uint32_t start, uint32_t end)
{
    uint32_t *entry;
    for (uint32_t page = start; (entry = next_present(space, &page, end)); page += PAGE_SIZE) {
        uint32_t frame = page_of(*entry);
        set(space, entry, 0, page, false);
        frame_release(frame);           /* nobody gets it before the commit below */
        space->pages--;
    }
    machine->commit();
}

/* ---- what programs ask for ------------------------------------------------------------------------------------------------ */

int space_break(struct address_space *space, uint32_t end)
{
    if (end == 0)
        return (int)space->heap_end;
    if (end < space->heap_start || end > MMAP_BASE)
        return -ENOMEM;
    uint32_t start = page_up(space->heap_start), old = page_up(space->heap_end), new = page_up(end);
    struct region *heap = old > start ? region_of(space, start) : NULL;
    if (new > old) {
        if (heap && heap->end == old)
            heap->end = new;            /* nothing lies between the heap and MMAP_BASE */
        else if (!region_add(space, old, new, true))
            return -ENOMEM;
    } else if (new < old) {
        int result = space_munmap(space, new, old - new);
        if (result < 0)
            return result;
    }
    space->heap_end = end;
    return (int)end;
}

int space_mmap(struct address_space *space, uint32_t length)
{
    if (length == 0 || length > USER_TOP - MMAP_BASE)
        return length == 0 ? -EINVAL : -ENOMEM;
    length = page_up(length);
    uint32_t start = MMAP_BASE;
    while (start + length <= USER_TOP - STACK_SIZE) {
        uint32_t next = 0;
        for (struct region *r = space->regions; r < space->regions + MAX_REGIONS; r++)
            if (start < r->end && r->start < start + length)
                next = r->end;
        if (next == 0) {
            space->next_touch = start;          /* who asks for memory begins at its beginning, mostly */
            space->window = FIRST_WINDOW;
            return region_add(space, start, start + length, true) ? (int)start : -ENOMEM;
        }
        start = next;
    }
    return -ENOMEM;
}

static bool is_range(uint32_t start, uint32_t length)
{
    return start % PAGE_SIZE == 0 && length != 0 && start >= USER_BASE && start < USER_TOP && length <= USER_TOP - start;
}

int space_munmap(struct address_space *space, uint32_t start, uint32_t length)
{
    if (!is_range(start, length))
        return -EINVAL;
    uint32_t end = start + page_up(length);
    if (region_split(space, start) < 0 || region_split(space, end) < 0)
        return -ENOMEM;
    for (struct region *r = space->regions; r < space->regions + MAX_REGIONS; r++)
        if (r->start != r->end && r->start >= start && r->end <= end) {
            unmap(space, r->start, r->end);
            *r = (struct region){ 0, 0, false };
        }
    return 0;
}

int space_protect(struct address_space *space, uint32_t start, uint32_t length, bool writable)
{
    if (!is_range(start, length))
        return -EINVAL;
    uint32_t end = start + page_up(length);
    for (uint32_t page = start; page < end; page = region_of(space, page)->end)
        if (!region_of(space, page))
            return -ENOMEM;             /* POSIX: the range must be mapped */
    if (region_split(space, start) < 0 || region_split(space, end) < 0)
        return -ENOMEM;
    for (uint32_t page = start; page < end; page += PAGE_SIZE) {
        region_of(space, page)->writable = writable;
        uint32_t *entry = entry_of(space, page, false);
        uint32_t value = entry ? *entry : 0;
        if (!(value & PRESENT))
            continue;
        uint32_t wanted = writable && !frame_is_shared(page_of(value)) ? value | WRITABLE : value & ~(uint32_t)WRITABLE;
        if (wanted != value)
            set(space, entry, wanted, page, false);
    }
    machine->commit();
    return 0;
}

int user_access(const void *address, uint32_t length, bool write)
{
    uint32_t start = (uint32_t)address;
    if (start < USER_BASE || start > USER_TOP || length > USER_TOP - start)
        return -EFAULT;
    for (uint32_t page = page_of(start); page < start + length; page += PAGE_SIZE) {
        struct region *region = region_of(&current->space, page);
        if (!region || (write && !region->writable))
            return -EFAULT;
        uint32_t *entry = entry_of(&current->space, page, false);
        if (entry && *entry & PRESENT && (!write || *entry & WRITABLE))
            continue;
        int result = space_fault(&current->space, page, write);
        if (result < 0)
            return result;
    }
    return 0;
}

/* Where the kernel sees a byte of the running process's, which user_access() has made sure of: at its physical address. The kernel never uses a
 * program's own addresses: a bad one can do no harm, and a VMM need not show the program's pages to the kernel too. */
static char *seen(uint32_t address)
{
    return (char *)at(page_of(*entry_of(&current->space, address, false))) + address % PAGE_SIZE;
}

static uint32_t piece_of(uint32_t address, uint32_t length)
{
    uint32_t room = PAGE_SIZE - address % PAGE_SIZE;
    return length < room ? length : room;
}

void copy_in(void *to, const void *from, uint32_t length)
{
    for (uint32_t done = 0, piece; done < length; done += piece) {
        piece = piece_of((uint32_t)from + done, length - done);
        memcpy((char *)to + done, seen((uint32_t)from + done), piece);
    }
}

void copy_out(void *to, const void *from, uint32_t length)
{
    for (uint32_t done = 0, piece; done < length; done += piece) {
        piece = piece_of((uint32_t)to + done, length - done);
        memcpy(seen((uint32_t)to + done), (const char *)from + done, piece);
    }
}

int copy_string(char *to, const char *from, uint32_t size)
{
    uint32_t done = 0;
    while (done < size) {
        if (user_access(from + done, 1, false) < 0)
            return -EFAULT;
        const char *text = seen((uint32_t)from + done);
        for (uint32_t piece = piece_of((uint32_t)from + done, size - done); piece > 0; piece--, done++)
            if ((to[done] = *text++) == 0)
                return (int)done;
    }
    return -E2BIG;
}

/* ---- making, copying, entering, taking apart -------------------------------------------------------------------------------- */

int space_create(struct address_space *space)
{
    uint32_t directory = frame_allocate();
    if (directory == 0)
        return -ENOMEM;
    *space = (struct address_space){ .directory = at(directory), .window = 1 };
    copy_page(space->directory, kernel_directory);
    return 0;
}

static int share_page(struct address_space *from, struct address_space *to, uint32_t *entry, uint32_t page, bool copy)
{
    uint32_t value = *entry, frame;
    if (copy && value & WRITABLE) {
        int result = space_map_new(to, page, true, &frame);
        if (result == 0)
            copy_page(at(frame), at(page_of(value)));
        return result;
    }
    uint32_t *other = entry_of(to, page, true);
    if (!other)
        return -ENOMEM;
    *other = page_of(value) | PRESENT | USER;       /* `to` is being built */
    frame_share(page_of(value));
    to->pages++;
    if (value & WRITABLE)
        set(from, entry, value & ~(uint32_t)WRITABLE, page, false);
    return 0;
}

/* fork: both have the same frames from now on, and neither may store to them. Only the page with the stack pointer is copied at once,
 * because both will store to it as soon as they run. */
int space_fork(struct address_space *from, struct address_space *to, uint32_t stack_pointer)
{
    int result = space_create(to);
    if (result < 0)
        return result;
    memcpy(to->regions, from->regions, sizeof to->regions);
    to->heap_start = from->heap_start;
    to->heap_end = from->heap_end;
    for (struct region *r = from->regions; r < from->regions + MAX_REGIONS && result == 0; r++) {
        uint32_t *entry;
        for (uint32_t page = r->start; (entry = next_present(from, &page, r->end)) && result == 0; page += PAGE_SIZE)
            result = share_page(from, to, entry, page, page == page_of(stack_pointer));
    }
    machine->commit();
    if (result < 0)
        space_destroy(to);
    return result;
}

void space_load(struct address_space *space)
{
    uint32_t directory = space ? physical(space->directory) : physical(kernel_directory);
    if (directory == loaded)
        return;
    bool fresh = space && !space->live;
    loaded = directory;
    machine->load_space(directory, fresh);
    if (space)
        space->live = true;
}

/* Not while it is in CR3. Nobody will look at its tables again, so they need no stores. */
void space_destroy(struct address_space *space)
{
    if (physical(space->directory) == loaded)
        panic("an address space in use is taken apart");
    for (struct region *r = space->regions; r < space->regions + MAX_REGIONS; r++) {
        uint32_t *entry;
        for (uint32_t page = r->start; (entry = next_present(space, &page, r->end)); page += PAGE_SIZE)
            frame_release(page_of(*entry));
    }
    for (uint32_t n = FIRST_USER_ENTRY; n < LAST_USER_ENTRY; n++)
        if (space->directory[n] & PRESENT)
            frame_release(page_of(space->directory[n]));
    frame_release(physical(space->directory));
    space->directory = NULL;
}
