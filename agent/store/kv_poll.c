/*
 * What others change. One entry of Vault counts the commits of all agents and names the paths of the last
 * ones:  {"number", "log": [{"agent", "commit", "paths"}, ...]}, the last of which has that number. Each
 * agent looks at it every few seconds and reads what is named since its last look. A commit is announced
 * before it is decided, so none can happen unheard; what is still under way when it is read, is read again.
 *
 * Who has been away for too long, or was never here, reads everything: by listing, and by what the copy
 * has. It is read in this order: the number first, then the entries, so what comes in between is not lost.
 */
#include <stdlib.h>

#include "store/kv_impl.h"

enum { LOG_MAX = 200, LOG_PATHS_MAX = 1000 };

struct store_kv_poll {
    struct store_kv *kv;
    struct io_timer *timer;
    bool busy, reading, again;
    int64_t seen, number; /* up to which the copy is complete; up to which it will be */
    char **folders;       /* still to be listed */
    char **listed;
    char **copied; /* the worker's, while busy */
    struct err *worker_e;
    int64_t kept;
    bool keeping; /* the worker's business too */
};

/* --- the entry -------------------------------------------------------------------------------------- */

static size_t count_paths(const json_t *log)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(log); i++) {
        n += json_array_size(json_object_get(json_array_get(log, i), "paths"));
    }
    return n;
}

static bool is_announced(const json_t *log, const char *commit)
{
    for (size_t i = json_array_size(log); i > 0; i--) {
        if (text_eq(store_kv_text_of(json_array_get(log, i - 1), "commit"), commit)) {
            return true;
        }
    }
    return false;
}

struct err *store_kv_announce(const struct store_kv *kv, const char *commit, json_t *paths,
                              json_t **changes, bool *ret_write)
{
    if (*changes == NULL) {
        *changes = json_pack("{s:i, s:[]}", "number", 0, "log");
    }
    json_t *log = json_object_get(*changes, "log");
    json_int_t number = json_integer_value(json_object_get(*changes, "number"));

    if (is_announced(log, commit)) {
        return NULL;
    }
    *ret_write = true;
    if (json_array_append_new(log, json_pack("{s:s, s:s, s:O}", "agent", kv->agent, "commit",
                                             commit, "paths", paths)) != 0 ||
        json_object_set_new(*changes, "number", json_integer(number + 1)) != 0) {
        return err_nomem();
    }
    while (json_array_size(log) > LOG_MAX ||
           (json_array_size(log) > 1 && count_paths(log) > LOG_PATHS_MAX)) {
        (void)json_array_remove(log, 0);
    }
    return NULL;
}

/* --- one look --------------------------------------------------------------------------------------- */

static void look_in(struct store_kv_poll *p, int64_t ms)
{
    io_timer_set(p->timer, mono_in(ms));
}

static void failed(struct store_kv_poll *p, struct err *e)
{
    p->busy = p->reading = false;
    text_list_free(&p->folders);
    text_list_free(&p->listed);
    look_in(p, store_kv_times.soon_ms);
    store_kv_set_away(p->kv, e);
}

static void read_what_was_added(struct store_kv_poll *p, struct err *e)
{
    if (e != NULL) {
        failed(p, e);
        return;
    }
    p->reading = true;
    store_kv_refresh_again(p->kv->refresh);
    store_kv_refresh_run(p->kv->refresh);
}

/* --- all of it -------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct err *add_all(struct store_kv_poll *p)
{
    size_t listed = text_list_len(p->listed);
    struct err *e = take(&p->worker_e);

    if (listed > 0) {
        qsort(p->listed, listed, sizeof *p->listed, by_text);
    }
    for (size_t i = 0; e == NULL && i < listed; i++) {
        e = store_kv_refresh_add(p->kv->refresh, p->listed[i], false);
    }
    for (char **path = p->copied; e == NULL && path != NULL && *path != NULL; path++) {
        if (listed == 0 || bsearch(path, p->listed, listed, sizeof *path, by_text) == NULL) {
            e = store_kv_refresh_add(p->kv->refresh, *path, false);
        }
    }
    text_list_free(&p->listed);
    text_list_free(&p->copied);
    return e;
}

static void on_worker_paths(void *arg)
{
    struct store_kv_poll *p = arg;

    p->worker_e = store_kv_copy_paths(p->kv->db, &p->copied);
}

static void on_paths(void *arg)
{
    struct store_kv_poll *p = arg;

    read_what_was_added(p, add_all(p));
}

static void list_next(struct store_kv_poll *p);

static struct err *add_names(struct store_kv_poll *p, const char *folder, char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        size_t len = strlen(*names);
        bool is_folder = len > 0 && (*names)[len - 1] == '/';
        AUTO(auto_free) char *path = text_fmt("%s%s%.*s", folder, *folder != '\0' ? "/" : "",
                                              (int)(len - (is_folder ? 1 : 0)), *names);

        if (path == NULL) {
            return err_nomem();
        }
        if (*path != '_' && !text_list_add(is_folder ? &p->folders : &p->listed, path)) {
            return err_nomem();
        }
    }
    return NULL;
}

static void on_list(void *arg, struct err *e, char *const *names)
{
    struct store_kv_poll *p = arg;
    size_t last = text_list_len(p->folders) - 1;
    AUTO(auto_free) char *folder = take(&p->folders[last]);

    e = e == NULL ? add_names(p, folder, names) : e;
    if (e == NULL && text_list_len(p->folders) == last && p->folders[last + 1] != NULL) {
        e = err_new(ERR_BUG, "the list of folders has a hole");
    }
    if (e != NULL) {
        failed(p, e);
    } else {
        list_next(p);
    }
}

static void list_next(struct store_kv_poll *p)
{
    size_t n = text_list_len(p->folders);
    struct err *e;

    if (n > 0) {
        p->kv->ops.list(p->kv->ops.self, p->folders[n - 1], on_list, p);
        return;
    }
    text_list_free(&p->folders);
    e = io_worker_put(p->kv->worker, on_worker_paths, on_paths, p);
    if (e != NULL) {
        failed(p, e);
    }
}

static void read_all(struct store_kv_poll *p)
{
    text_list_free(&p->folders);
    if (!text_list_add(&p->folders, "")) {
        failed(p, err_nomem());
        return;
    }
    list_next(p);
}

/* --- what is new ------------------------------------------------------------------------------------ */

static bool is_of_this_session(const struct store_kv *kv, const json_t *one)
{
    size_t len = strlen(kv->session);
    const char *commit = store_kv_text_of(one, "commit");

    return strncmp(commit, kv->session, len) == 0 && commit[len] == '-';
}

static struct err *add_named(struct store_kv_poll *p, const json_t *one)
{
    const json_t *paths = json_object_get(one, "paths");
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));

        e = path != NULL ? store_kv_refresh_add(p->kv->refresh, path, false) : NULL;
    }
    return e;
}

static void consider(struct store_kv_poll *p, const json_t *changes)
{
    const json_t *log = json_object_get(changes, "log");
    json_int_t number = json_integer_value(json_object_get(changes, "number"));
    size_t n = json_array_size(log);
    struct err *e = NULL;

    p->number = number;
    if (p->seen <= 0 || number < p->seen || number - p->seen > (json_int_t)n) {
        read_all(p);
        return;
    }
    for (size_t i = n - (size_t)(p->number - p->seen); e == NULL && i < n; i++) {
        const json_t *one = json_array_get(log, i);

        e = is_of_this_session(p->kv, one) ? NULL : add_named(p, one);
    }
    read_what_was_added(p, e);
}

static void on_changes(void *arg, struct err *e, const char *text, uint64_t version)
{
    struct store_kv_poll *p = arg;
    AUTO(store_kv_json_free) json_t *changes = NULL;

    (void)version;
    if (e == NULL && text != NULL) {
        e = store_kv_item_parse(STORE_KV_CHANGES, text, &changes);
    }
    if (e != NULL) {
        failed(p, e);
    } else {
        consider(p, changes);
    }
}

static void on_timer(void *arg)
{
    struct store_kv_poll *p = arg;

    if (p->busy) {
        p->again = true;
        return;
    }
    p->busy = true;
    p->kv->ops.get(p->kv->ops.self, STORE_KV_CHANGES, on_changes, p);
}

/* --- what is known ---------------------------------------------------------------------------------- */

static void on_worker_keep(void *arg)
{
    struct store_kv_poll *p = arg;
    struct err *e = store_kv_copy_set_seen(p->kv->db, p->kept);

    err_free(&e); /* then more is read again than need be */
}

static void on_kept(void *arg)
{
    ((struct store_kv_poll *)arg)->keeping = false;
}

/* Only what is complete may be remembered beyond this process. */
static void keep(struct store_kv_poll *p)
{
    if (p->keeping || p->kept == p->seen || store_kv_refresh_is_under_way(p->kv->refresh)) {
        return;
    }
    p->kept = p->seen;
    struct err *e = io_worker_put(p->kv->worker, on_worker_keep, on_kept, p);

    p->keeping = e == NULL;
    err_free(&e);
}

void store_kv_poll_ended(struct store_kv_poll *p, const struct err *e)
{
    if (!p->reading) {
        return;
    }
    p->busy = p->reading = false;
    bool soon = p->again || e != NULL || store_kv_refresh_is_under_way(p->kv->refresh);

    p->again = false;
    look_in(p, soon ? store_kv_times.soon_ms : store_kv_times.poll_ms);
    if (e == NULL) {
        p->seen = p->number;
        p->kv->synced = true;
        keep(p);
    }
}

void store_kv_poll_now(struct store_kv_poll *p)
{
    look_in(p, 0);
}

struct err *store_kv_poll_new(struct store_kv *kv, int64_t seen, struct store_kv_poll **ret)
{
    AUTO(store_kv_poll_free) struct store_kv_poll *p = calloc(1, sizeof *p);

    if (p == NULL || (p->timer = io_timer_new(kv->loop, on_timer, p)) == NULL) {
        return err_nomem();
    }
    p->kv = kv;
    p->seen = p->kept = seen;
    store_kv_poll_now(p);
    *ret = take(&p);
    return NULL;
}

void store_kv_poll_free(struct store_kv_poll **pp)
{
    struct store_kv_poll *p = take(pp);

    if (p == NULL) {
        return;
    }
    io_timer_free(&p->timer);
    text_list_free(&p->folders);
    text_list_free(&p->listed);
    text_list_free(&p->copied);
    err_free(&p->worker_e);
    free(p);
}
