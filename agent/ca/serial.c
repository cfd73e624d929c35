/*
 * Serial numbers that never repeat, also not after a crash or with the file gone. A block of them
 * is reserved on disk before the first is given, so that what a crash leaves unused is lost, not
 * given twice. The next block is asked of the writer when half of this one is given, and counts when
 * it is on disk: a signature waits for the disk only when that is slower than half a block of
 * signatures, or than the first signature after the start.
 *
 * A file that is there and cannot be read is an error, never a reason to begin anew. Without a file
 * the numbers begin at the time of day, far above what was given before.
 */
#include <stdlib.h>

#include "ca/priv.h"

enum { PER_SECOND = 65536, FILE_MAX_BYTES = 32, LOW = CA_SERIALS_A_BLOCK / 2 };

struct ca_serial {
    char *path;
    struct io_writer *writer;
    uint64_t next, end; /* next .. end - 1 are reserved */
    bool asked;         /* for the next block */
    struct err *error;  /* of the last time it was asked for */
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

/* What fails here is tried again, and told, when the numbers have run out. */
static void on_reserved(void *arg, const struct err *e)
{
    struct ca_serial *s = arg;

    s->asked = false;
    err_free(&s->error);
    s->error = err_copy(e);
    if (e == NULL) {
        s->end += CA_SERIALS_A_BLOCK;
    }
}

static void ask(struct ca_serial *s)
{
    AUTO(auto_free) char *mark =
        text_fmt("%llu\n", (unsigned long long)(s->end + CA_SERIALS_A_BLOCK));
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, FILE_MAX_BYTES);
    if (mark != NULL) {
        buf_put(&text, mark, strlen(mark));
    }
    struct err *e = mark != NULL ? buf_check(&text, s->path) : err_nomem();

    if (e == NULL) {
        e = io_writer_put(s->writer, s->path, &text, 0600, on_reserved, s);
    }
    s->asked = e == NULL;
    if (e != NULL) {
        err_free(&s->error);
        s->error = e;
    }
}

struct err *ca_serial_new(struct io_loop *l, const char *path, struct ca_serial **ret)
{
    AUTO(ca_serial_free) struct ca_serial *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return err_nomem();
    }
    s->path = text_copy(path);
    struct err *e = s->path != NULL ? io_writer_new(l, &s->writer) : err_nomem();

    if (e == NULL) {
        e = read_mark(path, &s->end);
    }
    s->next = s->end;
    if (e == NULL) {
        ask(s);
        *ret = take(&s);
    }
    return e;
}

void ca_serial_free(struct ca_serial **sp)
{
    struct ca_serial *s = take(sp);

    if (s != NULL) {
        io_writer_free(&s->writer);
        err_free(&s->error);
        free(s->path);
        free(s);
    }
}

struct err *ca_serial_take(struct ca_serial *s, uint64_t *ret)
{
    if (s->end - s->next <= LOW && !s->asked) {
        ask(s);
    }
    if (s->next == s->end) {
        io_writer_flush(s->writer);
    }
    if (s->next == s->end) {
        return err_recode(err_add(err_copy(s->error), "reserve serial numbers"), ERR_STORE);
    }
    *ret = s->next++;
    return NULL;
}

bool ca_serial_was_given(const struct ca_serial *s, uint64_t number)
{
    return number > 0 && number < s->next;
}
