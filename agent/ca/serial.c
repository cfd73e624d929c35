/*
 * Serial numbers that never repeat, also not after a crash or with the file gone. A block of them
 * is reserved on disk before the first is given, so that what a crash leaves unused is lost, not
 * given twice. The next block is reserved in a round of the loop of its own, while the last numbers
 * of this one are given, so that a signature does not wait for the disk.
 *
 * A file that is there and cannot be read is an error, never a reason to begin anew. Without a file
 * the numbers begin at the time of day, far above what was given before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ca/priv.h"

enum { PER_SECOND = 65536, FILE_MAX_BYTES = 32, LOW = CA_SERIALS_A_BLOCK / 4 };

struct ca_serial {
    char *path;
    struct io_timer *timer;
    uint64_t next, end; /* next .. end - 1 are reserved */
};

static struct err *read_mark(const char *path, uint64_t *ret)
{
    AUTO(buf_deinit) struct buf text;
    uint64_t mark = 0;

    buf_init(&text, FILE_MAX_BYTES);
    struct err *e = file_read(path, FILE_MAX_BYTES, &text);

    if (err_is(e, ERR_NOT_FOUND)) {
        err_free(&e);
        *ret = (uint64_t)wall_now().s * PER_SECOND;
        return NULL;
    }
    if (e != NULL) {
        return err_recode(err_add(e, "the CA's serial numbers"), ERR_STORE);
    }
    if (text.len < 2 || text.data[text.len - 1] != '\n') {
        return err_new(ERR_STORE, "%s is cut short", path);
    }
    for (size_t i = 0; i < text.len - 1; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || mark > (UINT64_MAX - 9) / 10) {
            return err_new(ERR_STORE, "%s does not hold a serial number", path);
        }
        mark = 10 * mark + (uint64_t)(text.data[i] - '0');
    }
    *ret = mark;
    return NULL;
}

static struct err *reserve(struct ca_serial *s)
{
    char text[FILE_MAX_BYTES];
    uint64_t end = s->end + CA_SERIALS_A_BLOCK;
    int len = snprintf(text, sizeof text, "%llu\n", (unsigned long long)end);
    struct err *e = file_replace(s->path, view_of(text, (size_t)len), 0600);

    if (e == NULL) {
        s->end = end;
    }
    return err_recode(err_add(e, "reserve serial numbers"), ERR_STORE);
}

/* What fails here is tried again, and told, when the numbers have run out. */
static void on_low(void *arg)
{
    AUTO(err_free) struct err *e = reserve(arg);
}

struct err *ca_serial_new(struct io_loop *l, const char *path, struct ca_serial **ret)
{
    AUTO(ca_serial_free) struct ca_serial *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return err_nomem();
    }
    s->path = text_copy(path);
    s->timer = io_timer_new(l, on_low, s);
    if (s->path == NULL || s->timer == NULL) {
        return err_nomem();
    }
    struct err *e = read_mark(path, &s->end);

    s->next = s->end;
    if (e == NULL) {
        *ret = take(&s);
    }
    return e;
}

void ca_serial_free(struct ca_serial **sp)
{
    struct ca_serial *s = take(sp);

    if (s != NULL) {
        io_timer_free(&s->timer);
        free(s->path);
        free(s);
    }
}

struct err *ca_serial_take(struct ca_serial *s, uint64_t *ret)
{
    struct err *e = s->next == s->end ? reserve(s) : NULL;

    if (e != NULL) {
        return e;
    }
    *ret = s->next++;
    if (s->end - s->next < LOW && !io_timer_is_set(s->timer)) {
        io_timer_set(s->timer, mono_now());
    }
    return NULL;
}
