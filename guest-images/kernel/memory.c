/* memory.c - page frames with reference counts: a frame that several processes see (after fork) is free when the last one has let go. */
#include "kernel.h"

struct frame { uint32_t next; uint32_t users; };

static struct frame *frames;        /* one for each page of RAM, right behind the kernel's image */
static uint32_t first_free;         /* a page number; 0: none, as page 0 is never free */
uint32_t total_pages, free_pages;

void memory_start(uint32_t bytes)
{
    uint32_t count = bytes / PAGE_SIZE;
    frames = at(page_up(physical(image_end)));
    uint32_t first = page_up(physical(frames + count)) / PAGE_SIZE;
    if (first + 64 > count)
        panic("%u KiB of memory are not enough", bytes / 1024);

    /* From the top down, so that the lowest comes first. What lies below the image (the first MiB, with ROMs and the screen) stays alone. */
    for (uint32_t page = 0; page < first; page++)
        frames[page] = (struct frame){ 0, 1 };
    for (uint32_t page = count; page-- > first;) {
        frames[page] = (struct frame){ first_free, 0 };
        first_free = page;
    }
    total_pages = free_pages = count - first;
}

uint32_t frame_allocate(void)
{
    uint32_t page = first_free;
    if (page == 0)
        return 0;
    first_free = frames[page].next;
    frames[page].users = 1;
    free_pages--;
    return page * PAGE_SIZE;
}

void frame_share(uint32_t frame)
{
    frames[frame / PAGE_SIZE].users++;
}

void frame_release(uint32_t frame)
{
    struct frame *f = &frames[frame / PAGE_SIZE];
    if (f->users == 0)
        panic("frame %x is free already", frame);
    if (--f->users == 0) {
        f->next = first_free;
        first_free = frame / PAGE_SIZE;
        free_pages++;
    }
}

bool frame_is_shared(uint32_t frame)
{
    return frames[frame / PAGE_SIZE].users > 1;
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
