/* exec.c - a program takes the place of another: ELF file (System V ABI, gABI 4.1) to address space, arguments to its stack. */
#include "kernel.h"

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, program_headers, sections, flags;
    uint16_t size, program_header_size, program_header_count;
};

struct program_header { uint32_t type, offset, address, physical, file_size, memory_size, flags, align; };

enum { ELF_EXECUTABLE = 2, ELF_386 = 3, PT_LOAD = 1, PF_W = 2, EFLAGS_RESERVED = 2 };

static int copy_own_string(char *to, const char *from, uint32_t size)
{
    for (uint32_t n = 0; n < size; n++)
        if ((to[n] = from[n]) == 0)
            return (int)n;
    return -E2BIG;
}

/* The strings of a vector that ends in NULL, one behind the other, in a new frame. How many, or an error. */
int gather_arguments(const char *const *arguments, bool from_user, uint32_t *page)
{
    uint32_t used = 0, room = PAGE_SIZE - (MAX_ARGUMENTS + 4) * 4;      /* the vector lies in the same page of the new stack */
    int count = 0, result = 0;
    *page = frame_allocate();
    if (*page == 0)
        return -ENOMEM;
    for (;; count++) {
        const char *text;
        if (!from_user)
            text = arguments[count];
        else if ((result = user_access(arguments + count, sizeof text, false)) == 0)
            copy_in(&text, arguments + count, sizeof text);
        else
            break;
        if (!text)
            return count;
        if (count == MAX_ARGUMENTS) {
            result = -E2BIG;
            break;
        }
        char *to = (char *)at(*page) + used;
        result = from_user ? copy_string(to, text, room - used) : copy_own_string(to, text, room - used);
        if (result < 0)
            break;
        used += (uint32_t)result + 1;
    }
    frame_release(*page);
    return result;
}

static int load_segment(struct address_space *space, const uint8_t *file, uint32_t length, const struct program_header *segment)
{
    uint32_t start = page_of(segment->address);
    if (segment->memory_size == 0)
        return 0;
    if (segment->offset > length || segment->file_size > length - segment->offset || segment->file_size > segment->memory_size
        || segment->address < USER_BASE || segment->address >= MMAP_BASE || segment->memory_size > MMAP_BASE - segment->address)
        return -ENOEXEC;
    uint32_t end = page_up(segment->address + segment->memory_size), done = 0;
    if (!region_add(space, start, end, segment->flags & PF_W))
        return -ENOEXEC;                /* it overlaps another one */
    while (done < segment->file_size) { /* what lies behind the file's bytes is zero, and comes when it is touched */
        uint32_t linear = segment->address + done, offset = linear % PAGE_SIZE, frame;
        uint32_t count = PAGE_SIZE - offset < segment->file_size - done ? PAGE_SIZE - offset : segment->file_size - done;
        const uint8_t *from = file + segment->offset + done;
        bool as_it_lies = !(segment->flags & PF_W) && physical(from) % PAGE_SIZE == offset;      /* code: the file's own page will do */
        int result = as_it_lies ? space_map_shared(space, page_of(linear), page_of(physical(from))) : space_map_new(space, page_of(linear), segment->flags & PF_W, &frame);
        if (result < 0)
            return result;
        if (!as_it_lies)
            memcpy((uint8_t *)at(frame) + offset, from, count);
        done += count;
    }
    if (end > space->heap_start)
        space->heap_start = space->heap_end = end;
    return 0;
}

static int load_program(struct address_space *space, const uint8_t *file, uint32_t length, uint32_t *entry)
{
    const struct elf_header *header = (const struct elf_header *)file;
    if (length < sizeof *header || file[0] != 0x7F || file[1] != 'E' || file[2] != 'L' || file[3] != 'F' || header->type != ELF_EXECUTABLE
        || header->machine != ELF_386 || header->program_header_size != sizeof(struct program_header) || header->program_headers > length
        || header->program_header_count > (length - header->program_headers) / sizeof(struct program_header))
        return -ENOEXEC;
    const struct program_header *segment = (const struct program_header *)(file + header->program_headers);
    for (uint32_t n = 0; n < header->program_header_count; n++)
        if (segment[n].type == PT_LOAD) {
            int result = load_segment(space, file, length, &segment[n]);
            if (result < 0)
                return result;
        }
    *entry = header->entry;
    return 0;
}

/* Strings at the top of the stack's last page, the vector below them, and what main() wants below that. */
static int build_stack(struct address_space *space, const char *strings, uint32_t count, uint32_t *esp)
{
    uint32_t frame, length = 0, pointers[MAX_ARGUMENTS + 1];
    for (uint32_t n = 0; n < count; n++) {
        pointers[n] = length;
        while (strings[length++]) {
        }
    }
    if (!region_add(space, USER_TOP - STACK_SIZE, USER_TOP, true))
        return -ENOEXEC;
    int result = space_map_new(space, USER_TOP - PAGE_SIZE, true, &frame);
    if (result < 0)
        return result;
    uint32_t text = (USER_TOP - length) & ~3u, vector = text - (count + 1) * 4;
    uint8_t *page = at(frame);          /* USER_TOP is page-aligned: an address's place in the page is its lower bits */
    memcpy(page + text % PAGE_SIZE, strings, length);
    for (uint32_t n = 0; n < count; n++)
        pointers[n] += text;
    pointers[count] = 0;
    memcpy(page + vector % PAGE_SIZE, pointers, (count + 1) * 4);
    *esp = vector - 8;
    uint32_t arguments[2] = { count, vector };
    memcpy(page + *esp % PAGE_SIZE, arguments, sizeof arguments);
    return 0;
}

/* Takes the page of arguments in any case. On success the frame is that of the new program. */
int process_exec(const char *name, uint32_t arguments_page, uint32_t count, struct trap_frame *frame)
{
    struct address_space space, old = current->space;
    uint32_t length, entry = 0, esp = 0;
    const uint8_t *file = file_contents(name, &length);
    int result = file ? space_create(&space) : -ENOENT;
    if (result == 0) {
        result = load_program(&space, file, length, &entry);
        if (result == 0)
            result = build_stack(&space, at(arguments_page), count, &esp);
        if (result < 0)
            space_destroy(&space);
    }
    frame_release(arguments_page);
    if (result < 0)
        return result;

    memset(current->name, 0, NAME_SIZE);
    for (uint32_t n = 0; n < NAME_SIZE - 1 && name[n]; n++)
        current->name[n] = name[n];
    current->space = space;
    space_load(&current->space);
    if (old.directory)
        space_destroy(&old);
    memset(frame, 0, sizeof *frame);
    frame->eip = entry;
    frame->cs = USER_CODE;
    frame->eflags = EFLAGS_IF | EFLAGS_RESERVED;
    frame->esp = esp;
    frame->ss = USER_DATA;
    return 0;
}
