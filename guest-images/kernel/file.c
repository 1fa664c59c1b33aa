/* file.c - descriptors: the console, pipes, and the files that were linked into the kernel's image. */
#include "kernel.h"

enum file_kind { UNUSED, CONSOLE, PIPE_READ, PIPE_WRITE, MEMORY };

/* `put` and `taken` count bytes since the beginning; their difference is what lies in the buffer. Their addresses are the events that
 * readers and writers sleep on. */
struct pipe {
    uint8_t *buffer;            /* a frame; NULL: a free slot */
    uint32_t put, taken;
    uint32_t readers, writers;  /* open files */
};

struct file {
    enum file_kind kind;
    uint32_t users;             /* descriptors */
    struct pipe *pipe;
    const uint8_t *data;
    uint32_t length, offset;
};

enum { MAX_FILES = 128, MAX_PIPES = 32 };

static struct file files[MAX_FILES];
static struct pipe pipes[MAX_PIPES];

static struct file *new_file(enum file_kind kind)
{
    for (struct file *f = files; f < files + MAX_FILES; f++)
        if (f->users == 0) {
            *f = (struct file){ .kind = kind, .users = 1 };
            return f;
        }
    return NULL;
}

static void release(struct file *f)
{
    if (--f->users > 0)
        return;
    struct pipe *p = f->pipe;
    if (f->kind == PIPE_READ) {
        p->readers--;
        wake(&p->put);          /* writers: there is nobody left to write for */
    } else if (f->kind == PIPE_WRITE) {
        p->writers--;
        wake(&p->taken);        /* readers: the end */
    }
    if (p && p->readers == 0 && p->writers == 0) {
        frame_release(physical(p->buffer));
        p->buffer = NULL;
    }
    f->kind = UNUSED;
}

struct file *file_console(void)
{
    return new_file(CONSOLE);
}

static int free_descriptor(void)
{
    for (int fd = 0; fd < MAX_FDS; fd++)
        if (!current->files[fd])
            return fd;
    return -EMFILE;
}

static struct file *file_of(int fd)
{
    return fd >= 0 && fd < MAX_FDS ? current->files[fd] : NULL;
}

/* ---- files in memory --------------------------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

const uint8_t *file_contents(const char *name, uint32_t *length)
{
    for (const struct embedded_file *f = embedded_files; f < embedded_files_end; f++)
        if (same(f->name, name)) {
            *length = (uint32_t)(f->end - f->start);
            return f->start;
        }
    return NULL;
}

/* The n-th file's length and name (NAME_SIZE bytes). */
int file_name(uint32_t n, const char **name)
{
    if (n >= (uint32_t)(embedded_files_end - embedded_files))
        return -ENOENT;
    *name = embedded_files[n].name;
    return (int)(embedded_files[n].end - embedded_files[n].start);
}

int file_open(const char *name)
{
    uint32_t length;
    int fd = free_descriptor();
    const uint8_t *data = file_contents(name, &length);
    if (!data)
        return -ENOENT;
    if (fd < 0)
        return fd;
    struct file *f = new_file(MEMORY);
    if (!f)
        return -ENFILE;
    f->data = data;
    f->length = length;
    current->files[fd] = f;
    return fd;
}

/* ---- pipes ------------------------------------------------------------------------------------------------------------------- */

int file_pipe(int *fds)
{
    struct pipe *p = pipes;
    while (p < pipes + MAX_PIPES && p->buffer)
        p++;
    if (p == pipes + MAX_PIPES)
        return -ENFILE;
    int first = free_descriptor();
    if (first < 0)
        return first;
    struct file *reader = new_file(PIPE_READ), *writer = reader ? new_file(PIPE_WRITE) : NULL;
    uint32_t frame = writer ? frame_allocate() : 0;
    current->files[first] = reader;
    int second = frame ? free_descriptor() : -ENFILE;
    if (second < 0) {
        current->files[first] = NULL;
        if (reader)
            reader->users = 0;
        if (writer)
            writer->users = 0;
        if (frame)
            frame_release(frame);
        return writer && !frame ? -ENOMEM : second;
    }
    *p = (struct pipe){ .buffer = at(frame), .readers = 1, .writers = 1 };
    reader->pipe = writer->pipe = p;
    current->files[second] = writer;
    fds[0] = first;
    fds[1] = second;
    return 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int pipe_read(struct pipe *p, char *to, uint32_t length)
{
    while (p->put == p->taken) {
        if (p->writers == 0)
            return 0;
        if (current->killed)
            return -EIO;
        sleep_on(&p->taken);
    }
    uint32_t done = 0, count = least(length, p->put - p->taken);
    while (done < count) {              /* in two pieces where it goes round the end */
        uint32_t place = p->taken % PIPE_SIZE, piece = least(count - done, PIPE_SIZE - place);
        copy_out(to + done, p->buffer + place, piece);
        p->taken += piece;
        done += piece;
    }
    wake(&p->put);
    return (int)done;
}

static int pipe_write(struct pipe *p, const char *from, uint32_t length)
{
    uint32_t done = 0;
    while (done < length) {
        if (p->readers == 0)
            return -EPIPE;
        if (current->killed)
            return -EIO;
        uint32_t place = p->put % PIPE_SIZE, room = PIPE_SIZE - (p->put - p->taken);
        uint32_t piece = least(least(length - done, room), PIPE_SIZE - place);
        if (piece == 0) {
            sleep_on(&p->put);
            continue;
        }
        copy_in(p->buffer + place, from + done, piece);
        p->put += piece;
        done += piece;
        wake(&p->taken);
    }
    return (int)done;
}

/* ---- by descriptor ------------------------------------------------------------------------------------------------------------ */

int file_read(int fd, char *to, uint32_t length)
{
    struct file *f = file_of(fd);
    if (!f || f->kind == PIPE_WRITE)
        return -EBADF;
    length = least(length, INT32_MAX);
    int result = user_access(to, length, true);
    if (result < 0 || length == 0)
        return result;
    if (f->kind == CONSOLE)
        return console_read(to, length);
    if (f->kind == PIPE_READ)
        return pipe_read(f->pipe, to, length);
    length = least(length, f->length - f->offset);
    copy_out(to, f->data + f->offset, length);
    f->offset += length;
    return (int)length;
}

int file_write(int fd, const char *from, uint32_t length)
{
    struct file *f = file_of(fd);
    if (!f || f->kind == PIPE_READ || f->kind == MEMORY)
        return -EBADF;
    length = least(length, INT32_MAX);
    int result = user_access(from, length, false);
    if (result < 0 || length == 0)
        return result;
    return f->kind == CONSOLE ? console_write_user(from, length) : pipe_write(f->pipe, from, length);
}

int file_close(int fd)
{
    struct file *f = file_of(fd);
    if (!f)
        return -EBADF;
    current->files[fd] = NULL;
    release(f);
    return 0;
}

int file_dup2(int from, int to)
{
    struct file *f = file_of(from);
    if (!f || to < 0 || to >= MAX_FDS)
        return -EBADF;
    if (from != to) {
        if (current->files[to])
            file_close(to);
        f->users++;
        current->files[to] = f;
    }
    return to;
}

void files_inherit(struct file *const *from, struct file **to)
{
    for (int fd = 0; fd < MAX_FDS; fd++) {
        to[fd] = from[fd];
        if (to[fd])
            to[fd]->users++;
    }
}

void files_close_all(struct file **open)
{
    for (int fd = 0; fd < MAX_FDS; fd++)
        if (open[fd]) {
            release(open[fd]);
            open[fd] = NULL;
        }
}

void file_count(uint32_t *open, uint32_t *used_pipes)
{
    *open = *used_pipes = 0;
    for (struct file *f = files; f < files + MAX_FILES; f++)
        *open += f->users > 0;
    for (struct pipe *p = pipes; p < pipes + MAX_PIPES; p++)
        *used_pipes += p->buffer != NULL;
}
