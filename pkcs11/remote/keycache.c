/*
 * What a locked token shows: the keys it had when it was last open. Without that, a token whose
 * private keys are visible only after login would have no key to ask for, and a PIN prompt at first
 * use would never come.
 *
 * The file holds public halves and attributes, as OPS_KEYS gave them. It is only shown, never
 * believed: before anything is signed, the token is open and has been read again.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

static void log_trouble(const struct slot *s, const struct err *e)
{
    if (e != NULL) {
        log_err(LOG_WARN, e, "token %s: the list of its keys on disk", s->name);
    }
}

/* The slot may be another token's by now; the file's name is in @e. */
static void on_written(void *arg, const struct err *e)
{
    (void)arg;
    if (e != NULL) {
        log_err(LOG_WARN, e, "the list of a token's keys on disk");
    }
}

static void put_pages(struct buf *b, const struct token_key *keys, size_t n)
{
    size_t done = 0;

    do {
        size_t begun = buf_begin_string(b);
        size_t at = b->len;

        ops_page_put(b, keys, n, done);
        struct rd count = rd_of(view_of(b->data + at, b->failed ? 0 : b->len - at));

        rd_u32(&count);
        done += rd_u32(&count);
        buf_end_string(b, begun);
    } while (done < n && !b->failed);
}

void keycache_store(const struct slot *s, const struct token_key *keys, size_t n)
{
    AUTO(auto_free) char *path = refusal_path(s, "keys");
    AUTO(err_free) struct err *e = NULL;
    AUTO(buf_deinit) struct buf old;
    AUTO(buf_deinit) struct buf new;

    buf_init(&old, CACHE_MAX_BYTES);
    buf_init(&new, CACHE_MAX_BYTES);
    if (path == NULL) {
        return;
    }
    put_pages(&new, keys, n);
    e = buf_check(&new, "the keys of a token");
    if (e == NULL) {
        e = io_writer_read(s->r->writer, path, CACHE_MAX_BYTES, &old);
        bool same = e == NULL && view_eq(buf_view(&old), buf_view(&new));

        err_free(&e);
        e = same ? NULL : io_writer_put(s->r->writer, path, &new, 0600, on_written, NULL);
    }
    log_trouble(s, e);
}

static struct err *read_pages(struct slot *s, struct view text)
{
    struct rd file = rd_of(text);
    struct token_key *keys = NULL;
    size_t keys_n = 0;
    struct err *e = NULL;

    while (e == NULL && !rd_at_end(&file) && !rd_failed(&file)) {
        struct rd page = rd_nested(&file);
        struct token_key *more = NULL;
        size_t n = 0;
        size_t total = 0;

        e = ops_page_get(&page, &total, &more, &n);
        struct token_key *grown = n > 0 ? reallocarray(keys, keys_n + n, sizeof *keys) : NULL;

        if (grown != NULL) {
            memcpy(grown + keys_n, more, n * sizeof *more);
            keys = grown;
            keys_n += n;
            free(more);
        } else {
            ops_keys_free(&more, n);
        }
    }
    if (e == NULL) {
        e = rd_end(&file, "the file");
    }
    if (e == NULL && keys_n > 0) {
        e = key_merge(s, keys, keys_n);
    }
    ops_keys_free(&keys, keys_n);
    return e;
}

void keycache_show(struct slot *s)
{
    AUTO(auto_free) char *path = refusal_path(s, "keys");
    AUTO(err_free) struct err *e = NULL;
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, CACHE_MAX_BYTES);
    if (path == NULL || s->keys_n > 0) {
        return;
    }
    e = io_writer_read(s->r->writer, path, CACHE_MAX_BYTES, &text);
    if (err_is(e, ERR_NOT_FOUND)) {
        return;
    }
    if (e == NULL) {
        e = read_pages(s, buf_view(&text));
    }
    if (e != NULL) {
        log_trouble(s, e);
        err_free(&e);
        e = io_writer_put(s->r->writer, path, NULL, 0, on_written,
                          NULL); /* made anew after a login */
        log_trouble(s, e);
    }
}
