/*
 * What is revoked, in two files: ours, which says all that is known, and the KRL made from it, which
 * is what sshd reads. Ours is written first, so that after a crash in between the next start makes
 * the KRL anew. Both are replaced whole by the writer's thread.
 *
 * An entry is tied to the key that the CA had then. The key of now is remembered in our file, so
 * that a certificate can be revoked while the CA's token lies in a safe.
 *
 * A write that failed is told to who waits for it, and remembered until one succeeds: nobody waits for
 * those at the start.
 */
#include <jansson.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "ca/priv.h"

enum { FILE_MAX_BYTES = 16 * 1024 * 1024, KEPT_S = 24 * 3600, KRL_MODE = 0644 };

/* Somebody who waits for the KRL. */
struct waiter {
    STAILQ_ENTRY(waiter) next; /* ca_revoked's, in order */
    struct ca_revoked *list;
    ca_done_fn *on_done;
    void *arg;
};

/* Ours, or the KRL. */
struct part {
    char *path;
    struct err *problem; /* why it is not on disk as it should be; NULL: it is */
};

struct ca_revoked {
    struct part state, krl;
    struct io_writer *writer;
    STAILQ_HEAD(, waiter) waiters;
    struct ssh_key *key; /* NULL: never seen */
    struct ca_revocation *list;
    size_t n;
    uint64_t version;
};

static void entry_deinit(struct ca_revocation *r)
{
    ssh_key_free((struct ssh_key **)&r->ca);
    free((char *)r->key_id);
    free((char *)r->reason);
}

static void part_deinit(struct part *p)
{
    free(p->path);
    err_free(&p->problem);
}

void ca_revoked_free(struct ca_revoked **rp)
{
    struct ca_revoked *r = take(rp);

    if (r == NULL) {
        return;
    }
    io_writer_free(&r->writer);
    for (size_t i = 0; i < r->n; i++) {
        entry_deinit(&r->list[i]);
    }
    ssh_key_free(&r->key);
    free(r->list);
    part_deinit(&r->state);
    part_deinit(&r->krl);
    free(r);
}

static struct err *append(struct ca_revoked *r, const struct ca_revocation *what)
{
    struct ca_revocation *more = reallocarray(r->list, r->n + 1, sizeof *more);

    if (more == NULL) {
        return err_nomem();
    }
    r->list = more;
    struct ca_revocation *to = &more[r->n++];

    *to = *what;
    to->ca = ssh_key_copy(what->ca);
    to->key_id = text_copy(what->key_id);
    to->reason = text_copy(what->reason);
    return (what->key_id != NULL && to->key_id == NULL) ||
                   (what->reason != NULL && to->reason == NULL)
               ? err_nomem()
               : NULL;
}

/* Certificates that have ended by themselves. */
static void drop_ended(struct ca_revoked *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        if (r->list[i].until.s != 0 && r->list[i].until.s + KEPT_S < wall_now().s) {
            entry_deinit(&r->list[i]);
        } else {
            r->list[kept++] = r->list[i];
        }
    }
    r->n = kept;
}

static void on_written(void *arg, const struct err *e)
{
    struct part *p = arg;
    struct err *problem = err_add(err_copy(e), "%s", p->path);

    if (problem != NULL && p->problem == NULL) {
        log_err(LOG_WARN, problem, "what is revoked is not on the disk");
    }
    err_free(&p->problem);
    p->problem = problem;
}

/* --- our file ----------------------------------------------------------------------------------- */

static json_t *entry_json(const struct ca_revocation *r)
{
    AUTO(auto_free) char *serial = text_fmt("%llu", (unsigned long long)r->serial);

    AUTO(auto_free) char *ca = ssh_key_line(r->ca, NULL);

    return json_pack("{s:s?, s:s?, s:s?, s:s?, s:I, s:I}", "serial", serial, "key_id", r->key_id,
                     "reason", r->reason, "ca", ca, "at", (json_int_t)r->at.s, "until",
                     (json_int_t)r->until.s);
}

static struct err *read_entry(struct ca_revoked *r, const json_t *from)
{
    const char *serial = json_string_value(json_object_get(from, "serial"));
    const char *ca = json_string_value(json_object_get(from, "ca"));
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    char *end = NULL;
    struct err *e =
        ca != NULL ? ssh_key_from_line(ca, &key) : err_new(ERR_STORE, "an entry names no CA");
    struct ca_revocation entry = {
        .ca = key,
        .serial = serial != NULL ? strtoull(serial, &end, 10) : 0,
        .key_id = json_string_value(json_object_get(from, "key_id")),
        .reason = json_string_value(json_object_get(from, "reason")),
        .at = {json_integer_value(json_object_get(from, "at"))},
        .until = {json_integer_value(json_object_get(from, "until"))},
    };

    if (e == NULL && (serial == NULL || end == serial || *end != '\0' ||
                      (entry.serial == 0 && entry.key_id == NULL))) {
        e = err_new(ERR_STORE, "an entry names no certificate");
    }
    return e != NULL ? e : append(r, &entry);
}

static struct err *read_list(struct ca_revoked *r, struct view text)
{
    json_t *root = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(root, "revoked");
    const char *key = json_string_value(json_object_get(root, "ca"));
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    struct err *e = NULL;

    if (!json_is_array(list) || version <= 0) {
        e = err_new(ERR_STORE, "it does not hold a list");
    }
    r->version = (uint64_t)version;
    if (e == NULL && key != NULL) {
        e = ssh_key_from_line(key, &r->key);
    }
    for (size_t i = 0; e == NULL && i < json_array_size(list); i++) {
        e = read_entry(r, json_array_get(list, i));
    }
    json_decref(root);
    return e;
}

static struct err *load(struct ca_revoked *r)
{
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, FILE_MAX_BYTES);
    struct err *e = file_read(r->state.path, FILE_MAX_BYTES, &text);

    if (err_is(e, ERR_NOT_FOUND)) {
        err_free(&e);
        return NULL;
    }
    if (e == NULL) {
        e = read_list(r, buf_view(&text));
    }
    return e != NULL ? err_recode(err_add(e, "%s", r->state.path), ERR_STORE) : NULL;
}

static struct err *put_state(struct ca_revoked *r)
{
    AUTO(auto_free) char *key = r->key != NULL ? ssh_key_line(r->key, NULL) : NULL;
    json_t *list = json_array();
    AUTO(buf_deinit) struct buf text;

    for (size_t i = 0; i < r->n; i++) {
        json_array_append_new(list, entry_json(&r->list[i]));
    }
    json_t *root = json_pack("{s:I, s:s?, s:o}", "version", (json_int_t)r->version, "ca", key,
                             "revoked", list);
    AUTO(auto_free) char *dumped = json_dumps(root, JSON_INDENT(1));

    json_decref(root);
    if (dumped == NULL) {
        return err_nomem();
    }
    buf_init(&text, FILE_MAX_BYTES);
    buf_put(&text, dumped, strlen(dumped));
    struct err *e = buf_check(&text, "the list of revoked certificates");

    return e != NULL ? e
                     : io_writer_put(r->writer, r->state.path, &text, 0600, on_written, &r->state);
}

/* --- the KRL ------------------------------------------------------------------------------------ */

/* The list of @arg, and with it those of whoever came before: one that was replaced before it was
 * written is in it. */
static void on_krl_written(void *arg, const struct err *e)
{
    struct ca_revoked *r = ((struct waiter *)arg)->list;
    bool is_last = false;

    on_written(&r->krl, e);
    while (!is_last) {
        AUTO(auto_free) struct waiter *w = STAILQ_FIRST(&r->waiters);

        STAILQ_REMOVE_HEAD(&r->waiters, next);
        is_last = w == arg;
        w->on_done(w->arg, err_copy(e));
    }
}

static struct err *put_krl(struct ca_revoked *r, struct waiter *w)
{
    AUTO(buf_deinit) struct buf krl;

    buf_init(&krl, FILE_MAX_BYTES);
    ca_krl_put(&krl, r->list, r->n, r->version, wall_now());
    struct err *e = buf_check(&krl, "the key revocation list");

    return e != NULL   ? e
           : w != NULL ? io_writer_put(r->writer, r->krl.path, &krl, KRL_MODE, on_krl_written, w)
                       : io_writer_put(r->writer, r->krl.path, &krl, KRL_MODE, on_written, &r->krl);
}

/* --- what ca.c asks ----------------------------------------------------------------------------- */

struct err *ca_revoked_new(struct io_loop *l, const char *state_path, const char *krl_path,
                           struct ca_revoked **ret)
{
    AUTO(ca_revoked_free) struct ca_revoked *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return err_nomem();
    }
    STAILQ_INIT(&r->waiters);
    r->version = 1;
    r->state.path = text_copy(state_path);
    r->krl.path = text_copy(krl_path);
    struct err *e =
        r->state.path == NULL || r->krl.path == NULL ? err_nomem() : io_writer_new(l, &r->writer);

    if (e == NULL) {
        e = load(r);
    }
    if (e == NULL) {
        e = put_krl(r, NULL);
    }
    if (e == NULL) {
        *ret = take(&r);
    }
    return e;
}

void ca_revoked_see_key(struct ca_revoked *r, const struct ssh_key *key)
{
    if (r->key != NULL && ssh_key_eq(r->key, key)) {
        return;
    }
    ssh_key_free(&r->key);
    r->key = ssh_key_copy(key);
    AUTO(err_free) struct err *e = put_state(r);

    if (e != NULL) {
        log_err(LOG_WARN, e, "the CA's key is not remembered");
    }
}

const struct ssh_key *ca_revoked_key(const struct ca_revoked *r)
{
    return r->key;
}

static bool has(const struct ca_revoked *r, const struct ca_revocation *what)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct ca_revocation *old = &r->list[i];

        if (ssh_key_eq(old->ca, r->key) && old->serial == what->serial &&
            (what->serial != 0 || text_eq(old->key_id, what->key_id))) {
            return true;
        }
    }
    return false;
}

static struct err *may_add(const struct ca_revoked *r, const struct ca_revocation *what)
{
    if (what->serial == 0 && (what->key_id == NULL || what->key_id[0] == '\0')) {
        return err_new(ERR_INPUT, "neither a serial number nor a key id is given");
    }
    if (r->key == NULL) {
        return err_new(ERR_GONE, "the CA's key was never seen here: plug its token in once");
    }
    return r->n == CA_REVOKED_MAX
               ? err_new(ERR_LIMIT, "%d certificates are revoked already: give the CA a new key",
                         CA_REVOKED_MAX)
               : NULL;
}

static struct err *add(struct ca_revoked *r, const struct ca_revocation *what)
{
    struct ca_revocation entry = *what;

    entry.ca = r->key;
    entry.at = wall_now();
    r->version++;
    return append(r, &entry);
}

static struct err *put_both(struct ca_revoked *r, ca_done_fn *on_done, void *arg)
{
    AUTO(auto_free) struct waiter *w = malloc(sizeof *w);
    struct err *e = w != NULL ? put_state(r) : err_nomem();

    if (e == NULL) {
        *w = (struct waiter){.list = r, .on_done = on_done, .arg = arg};
        e = put_krl(r, w);
    }
    if (e == NULL) {
        STAILQ_INSERT_TAIL(&r->waiters, w, next);
        take(&w);
    }
    return e;
}

bool ca_revoked_add(struct ca_revoked *r, const struct ca_revocation *what, ca_done_fn *on_done,
                    void *arg)
{
    struct err *e = may_add(r, what);
    bool is_new = e == NULL && !has(r, what);

    drop_ended(r);
    if (is_new) {
        e = add(r, what);
    }
    if (e == NULL) {
        e = put_both(r, on_done, arg);
    }
    if (e != NULL) {
        on_done(arg, e);
    }
    return is_new && e == NULL;
}

size_t ca_revoked_count(const struct ca_revoked *r)
{
    return r->n;
}

const struct ca_revocation *ca_revoked_at(const struct ca_revoked *r, size_t i)
{
    return &r->list[i];
}

const char *ca_revoked_krl_path(const struct ca_revoked *r)
{
    return r->krl.path;
}

const struct err *ca_revoked_problem(const struct ca_revoked *r)
{
    return r->state.problem != NULL ? r->state.problem : r->krl.problem;
}
