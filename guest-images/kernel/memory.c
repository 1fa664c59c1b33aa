/* memory.c - page frames with reference counts: a frame that several processes see (after fork) is free when the last one has let go. */
#include "kernel.h"

static uint16_t *users;             /* of each page of RAM; right behind the kernel's image, and the map behind it */
static uint32_t *map;               /* a bit for each page: it is free */
static uint32_t first_word, words;  /* of the map: no word before the first one has a free page */
uint32_t total_pages, free_pages;

/* What lies below the image (the first MiB, with ROMs and the screen) stays alone. */
void memory_start(uint32_t bytes)
{
    uint32_t count = bytes / PAGE_SIZE;
    words = (count + 31) / 32;
    users = at(page_up(physical(image_end)));
    map = (uint32_t *)(users + words * 32);
    uint32_t first = page_up(physical(map + words)) / PAGE_SIZE;
    if (first + 64 > count)
        panic("%u KiB of memory are not enough", bytes / 1024);
    memset(map, 0, words * sizeof *map);
    memset(users, 0, count * sizeof *users);
    for (uint32_t page = 0; page < first; page++)
        users[page] = 1;                /* the kernel: pages of it can be shared (programs' code), and never become free */
    for (uint32_t page = first; page < count; page++)
        map[page / 32] |= 1u << page % 32;
    total_pages = free_pages = count - first;
}

/* The lowest free frame: then pages that are asked for one after the other lie side by side, and whoever maps memory in runs - a VMM does -
 * has less to do. */
uint32_t frame_allocate(void)
{
    while (first_word < words && map[first_word] == 0)
        first_word++;
    if (first_word == words)
        return 0;
    uint32_t page = first_word * 32 + (uint32_t)__builtin_ctz(map[first_word]);
    map[first_word] &= map[first_word] - 1;
    users[page] = 1;
    free_pages--;
    return page * PAGE_SIZE;
}

void frame_share(uint32_t frame)
{
    users[frame / PAGE_SIZE]++;
}

void frame_release(uint32_t frame)
{
    uint32_t page = frame / PAGE_SIZE;
    if (users[page] == 0)
        panic("frame %x is free already", frame);
    if (--users[page] > 0)
        return;
    map[page / 32] |= 1u << page % 32;
    if (page / 32 < first_word)
        first_word = page / 32;
    free_pages++;
}

bool frame_is_shared(uint32_t frame)
{
    return users[frame / PAGE_SIZE] > 1;
}

void copy_page(void *to, const void *from)
{
    uint32_t count = PAGE_SIZE / 4;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void clear_page(void *page)
{
    uint32_t count = PAGE_SIZE / 4;
    __asm__ volatile("rep stosl" : "+D"(page), "+c"(count) : "a"(0) : "memory");
}
