/*
 * The memory of refused PINs, so that no restart and no second source spends another try on one.
 *
 * On disk, a file per token has a line per source whose PIN was refused: a digest of where the PIN
 * comes from and, for files, of inode, size and times. A changed file has another line, so it is
 * tried again. Nothing in it is made from a PIN: with ten thousand possible PINs, a hash is the PIN.
 *
 * A line counts from the moment the token said no: the file is written by a thread, and until it is,
 * what waits for that thread is read instead of it (io_writer_read()).
 *
 * In memory, in the secure heap, are the refused PINs themselves, until the token is taken out.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

enum { REFUSAL_MAX_BYTES = 4096, REFUSED_LINES_MAX = 64, REFUSED_PINS_MAX = 16 };

char *refusal_path(const struct slot *s, const char *kind)
{
    AUTO(buf_deinit) struct buf maker;

    buf_init(&maker, 0);
    if (s->r->state_dir == NULL) {
        return NULL;
    }
    buf_put_cstr(&maker, s->info.manufacturer);
    buf_put_cstr(&maker, s->info.model);
    struct ops_name digest = ops_name_of(view_cstr(s->info.serial), buf_view(&maker));
    AUTO(auto_free) char *hex = text_hex(view_of(digest.bytes, sizeof digest.bytes));

    return hex != NULL ? text_fmt("%s/%s-%s", s->r->state_dir, kind, hex) : NULL;
}

/* A memory that cannot be read or written is worth a line in the log, but no failed login. */
static void complain(const struct slot *s, const struct err *e)
{
    if (e != NULL) {
        log_err(LOG_WARN, e, "token %s: the memory of refused PINs", s->name);
    }
}

/* The slot may be another token's by now; the file's name is in @e. */
static void on_written(void *arg, const struct err *e)
{
    (void)arg;
    if (e != NULL) {
        log_err(LOG_WARN, e, "the memory of refused PINs");
    }
}

void refusal_load(struct slot *s)
{
    AUTO(auto_free) char *path = refusal_path(s, "refused");
    AUTO(buf_deinit) struct buf text;
    AUTO(err_free) struct err *e = NULL;

    buf_init(&text, 0);
    text_list_free(&s->refused.lines);
    if (path == NULL) {
        return;
    }
    e = io_writer_read(s->r->writer, path, REFUSAL_MAX_BYTES, &text);
    if (e != NULL) {
        if (!err_is(e, ERR_NOT_FOUND)) {
            complain(s, e);
        }
        return;
    }
    AUTO(auto_free) char *lines = view_dup(buf_view(&text));
    char *rest = NULL;

    for (char *line = lines != NULL ? strtok_r(lines, "\n", &rest) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        text_list_add(&s->refused.lines, line);
    }
}

static void store(struct slot *s)
{
    AUTO(auto_free) char *path = refusal_path(s, "refused");
    AUTO(buf_deinit) struct buf text;
    AUTO(err_free) struct err *e = NULL;

    buf_init(&text, REFUSAL_MAX_BYTES);
    if (path == NULL) {
        return;
    }
    for (size_t i = 0; s->refused.lines != NULL && s->refused.lines[i] != NULL; i++) {
        buf_put(&text, s->refused.lines[i], strlen(s->refused.lines[i]));
        buf_put(&text, "\n", 1);
    }
    e = buf_check(&text, "too many refused sources");
    if (e == NULL) {
        e = io_writer_put(s->r->writer, path, &text, 0600, on_written, NULL);
    }
    complain(s, e);
}

bool refusal_has_source(const struct slot *s, const struct source *source)
{
    AUTO(auto_free) char *line = source_line(source);

    return line != NULL && text_list_has(s->refused.lines, line);
}

bool refusal_has_pin(const struct slot *s, const struct secret *pin)
{
    for (size_t i = 0; i < s->refused.pins_n; i++) {
        if (view_eq(secret_view(s->refused.pins[i]), secret_view(pin))) {
            return true;
        }
    }
    return false;
}

static void add_pin(struct refusals *r, const struct secret *pin)
{
    struct secret *copy = r->pins_n < REFUSED_PINS_MAX ? secret_copy(pin) : NULL;
    struct secret **grown =
        copy != NULL ? reallocarray(r->pins, r->pins_n + 1, sizeof *grown) : NULL;

    if (grown == NULL) {
        secret_free(&copy);
        return;
    }
    r->pins = grown;
    r->pins[r->pins_n++] = copy;
}

/* Lines of what a file once held are of no use for ever. */
static void drop_oldest(char **lines)
{
    size_t n = text_list_len(lines);

    if (n >= REFUSED_LINES_MAX) {
        free(lines[0]);
        memmove(lines, lines + 1, n * sizeof *lines);
    }
}

void refusal_add(struct slot *s, const struct source *source, const struct secret *pin)
{
    AUTO(auto_free) char *line = source != NULL ? source_line(source) : NULL;

    if (pin != NULL && !refusal_has_pin(s, pin)) {
        add_pin(&s->refused, pin);
    }
    if (line != NULL && !text_list_has(s->refused.lines, line)) {
        drop_oldest(s->refused.lines);
        text_list_add(&s->refused.lines, line);
        store(s);
    }
}

void refusal_new_insertion(struct slot *s)
{
    for (size_t i = 0; i < s->refused.pins_n; i++) {
        secret_free(&s->refused.pins[i]);
    }
    s->refused.pins_n = 0;
}

void refusal_clear(struct slot *s)
{
    AUTO(auto_free) char *path = refusal_path(s, "refused");

    refusal_new_insertion(s);
    text_list_free(&s->refused.lines);
    if (path != NULL) {
        AUTO(err_free) struct err *e = io_writer_put(s->r->writer, path, NULL, 0, on_written, NULL);

        complain(s, e);
    }
}

void refusal_deinit(struct slot *s)
{
    refusal_new_insertion(s);
    free(s->refused.pins);
    s->refused.pins = NULL;
    text_list_free(&s->refused.lines);
}
