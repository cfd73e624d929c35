/*
 * One PKCS#11 module: the life of its helper, and the tokens it lists.
 *
 *   helper up -> OPS_LOAD -> OPS_TOKENS -> match_tokens() -> slots open, log in, list -> ready
 *
 * A helper that dies once it was loaded is started again at once (the helper's own back-off applies);
 * a module that cannot be loaded is tried again after a pause that doubles. In both cases the slots
 * know first, so that nobody waits for what does not come.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

static void free_present(struct present *list, size_t n)
{
    for (size_t i = 0; list != NULL && i < n; i++) {
        free(list[i].uri);
    }
    free(list);
}

static void each_slot(struct module *m, void (*act)(struct slot *s, const struct err *why),
                      const struct err *why)
{
    for (size_t i = 0; i < m->r->slots_n; i++) {
        struct slot *s = m->r->slots[i];

        if (s->module == m && s->phase != SLOT_ABSENT) {
            act(s, why);
        }
    }
}

static void fail_slot(struct slot *s, const struct err *why)
{
    slot_fail(s, err_copy(why), true);
}

/* @e is taken. */
static void module_fail(struct module *m, struct err *e)
{
    if (m->r->ending) { /* its helper is just being closed */
        err_free(&e);
        return;
    }
    err_free(&m->error);
    m->error = err_add(e, "module %s (%s)", m->name, m->path);
    m->failed = true;
    m->answered = true;
    m->retry_ms = m->retry_ms == 0                  ? POLL_MS
                  : m->retry_ms * 2 >= RETRY_MAX_MS ? RETRY_MAX_MS
                                                    : m->retry_ms * 2;
    m->retry_at = mono_in(m->retry_ms);
    each_slot(m, fail_slot, m->error);
    io_helper_restart(m->helper, m->error);
    match_tokens(m->r);
    remote_poke(m->r);
}

static bool is_same_list(const struct module *m, const struct present *list, size_t n)
{
    for (size_t i = 0; n == m->present_n && i < n; i++) {
        if (memcmp(&list[i].info, &m->present[i].info, sizeof list[i].info) != 0) {
            return false;
        }
    }
    return n == m->present_n;
}

/* Is this listed token the one that the slot has open? */
static bool is_same(const struct token_info *a, const struct token_info *b)
{
    return a->slot_id == b->slot_id && text_eq(a->serial, b->serial) &&
           text_eq(a->label, b->label) && text_eq(a->model, b->model) &&
           text_eq(a->manufacturer, b->manufacturer);
}

static void find_slot(struct module *m, struct slot *s)
{
    for (size_t i = 0; i < m->present_n; i++) {
        if (is_same(&m->present[i].info, &s->info)) {
            m->present[i].slot = s;
            return;
        }
    }
    if (s->phase != SLOT_FAILED) {
        slot_set_absent(s);
    }
}

/* The new list takes the place of the old one; open slots find themselves in it, or are gone. */
static struct err *take_list(struct module *m, struct rd *reply)
{
    AUTO(auto_free) struct token_info *info = NULL;
    size_t n = 0;
    struct err *e = ops_tokens_get(reply, &info, &n);

    if (e != NULL) {
        return e;
    }
    struct present *list = calloc(n + 1, sizeof *list);

    if (list == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; i < n; i++) {
        const struct p11_token_id id = {info[i].label, info[i].manufacturer, info[i].model,
                                        info[i].serial};

        list[i].info = info[i];
        list[i].uri = p11_uri_text(&id, NULL, (struct view){NULL, 0});
    }
    if (!is_same_list(m, list, n)) {
        remote_poke(m->r);
    }
    free_present(m->present, m->present_n);
    m->present = list;
    m->present_n = n;
    for (size_t i = 0; i < m->r->slots_n; i++) {
        struct slot *s = m->r->slots[i];

        if (s->module == m && s->phase != SLOT_ABSENT && s->phase != SLOT_DOWN) {
            find_slot(m, s);
        }
    }
    match_tokens(m->r);
    return NULL;
}

static void on_looked(void *arg, struct err *failed, struct rd *reply)
{
    AUTO(err_free) struct err *e = failed;
    struct module *m = arg;

    m->poll = 0;
    if (e == NULL) {
        e = take_list(m, reply);
    }
    if (m->up) {
        err_free(&m->error);
        m->error = err_add(take(&e), "module %s", m->name);
    } else if (e != NULL && !m->failed) {
        module_fail(m, take(&e)); /* the helper did not even start */
    }
    remote_again(m->r);
}

/* The lanes of tokens that went away; empty for a helper that is yet to come up. */
static void add_closed(struct module *m, struct slot *const *slots, size_t n, struct ops_lanes *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (slots[i]->module == m && slots[i]->close) {
            slots[i]->close = false;
            if (m->up) {
                ret->lane[ret->n++] = slots[i]->lane;
            }
        }
    }
}

static void take_closed_lanes(struct module *m, struct ops_lanes *ret)
{
    ret->n = 0;
    add_closed(m, m->r->slots, m->r->slots_n, ret);
    add_closed(m, m->r->idle, m->r->idle_n, ret);
}

static uint64_t list_tokens(struct module *m, bool setup, io_reply_fn *on_reply)
{
    AUTO(buf_deinit) struct buf body;
    struct ops_lanes lanes;

    buf_init(&body, 0);
    take_closed_lanes(m, &lanes);
    ops_lanes_put(&body, &lanes);
    return io_helper_call(m->helper, &(struct io_call){.op = OPS_TOKENS,
                                                       .body = buf_view(&body),
                                                       .deadline = mono_in(LOAD_MS + LIST_MS),
                                                       .flow = UINT64_MAX,
                                                       .setup = setup,
                                                       .on_reply = on_reply,
                                                       .arg = m});
}

void module_look(struct module *m)
{
    if (m->helper == NULL || m->poll != 0 || m->r->ending || (m->up && !m->ready)) {
        return;
    }
    uint64_t handle = list_tokens(m, false, on_looked);

    if (handle != 0) {
        m->poll = handle;
    }
}

static void on_listed(void *arg, struct err *e, struct rd *reply)
{
    struct module *m = arg;

    if (e != NULL) {
        module_fail(m, e);
        return;
    }
    io_helper_cancel(m->helper, m->poll); /* it has been answered by this */
    m->poll = 0;
    m->up = true;
    m->answered = true;
    m->failed = false;
    m->retry_ms = 0;
    err_free(&m->error);
    e = take_list(m, reply);
    if (e != NULL) {
        m->up = false;
        module_fail(m, e);
    }
    remote_poke(m->r);
}

static void on_loaded(void *arg, struct err *e, struct rd *reply)
{
    struct module *m = arg;

    if (e == NULL) {
        e = ops_library_get(reply, &m->library);
    }
    if (e != NULL) {
        module_fail(m, e);
        return;
    }
    list_tokens(m, true, on_listed);
}

static void on_up(void *arg)
{
    AUTO(buf_deinit) struct buf body;
    struct module *m = arg;

    m->up = false;
    m->ready = false;
    buf_init(&body, 0);
    ops_load_put(&body, m->path, &m->load);
    io_helper_call(m->helper, &(struct io_call){.op = OPS_LOAD,
                                                .body = buf_view(&body),
                                                .deadline = mono_in(LOAD_MS),
                                                .setup = true,
                                                .on_reply = on_loaded,
                                                .arg = m});
}

static void on_down(void *arg, const struct err *why)
{
    struct module *m = arg;

    m->up = false;
    m->ready = false;
    if (m->poll != 0) { /* it may name lanes of the life that is over */
        io_helper_cancel(m->helper, m->poll);
        m->poll = 0;
    }
    if (!m->failed) {
        err_free(&m->error);
        m->error = err_copy(why);
        each_slot(m, slot_set_down, why);
    }
    remote_poke(m->r);
}

void module_check(struct module *m)
{
    if (m->helper == NULL || !m->r->started) {
        return;
    }
    if (!m->up) {
        if (!m->failed) {
            module_look(m);
        }
        return;
    }
    for (size_t i = 0; i < m->r->slots_n; i++) {
        if (m->r->slots[i]->module == m && slot_is_moving(m->r->slots[i])) {
            return;
        }
    }
    if (!m->ready) {
        m->ready = true;
        io_helper_ready(m->helper);
        remote_again(m->r); /* what waited for this can go on */
    }
}

void module_limits(struct module *m, unsigned workers)
{
    unsigned open = 0;

    for (size_t i = 0; i < m->r->slots_n; i++) {
        enum slot_phase phase = m->r->slots[i]->phase;

        open += m->r->slots[i]->module == m && phase != SLOT_ABSENT && phase != SLOT_FAILED;
    }
    m->workers = workers < 1 ? 1 : workers > IPC_WORKERS_MAX ? IPC_WORKERS_MAX : workers;
    io_helper_limits(m->helper, 2 * m->workers, open > 1 ? m->workers - 1 : 2 * m->workers);
}

static bool add_variable(char ***env, const char *name)
{
    const char *value = getenv(name);

    if (value == NULL) {
        return true;
    }
    AUTO(auto_free) char *pair = text_fmt("%s=%s", name, value);

    return pair != NULL && text_list_add(env, pair);
}

/* The variables that the profile names, and three that nothing runs well without. */
static char **make_environment(const struct profile_load *p, bool *ret_ok)
{
    static const char *const always[] = {"PATH", "LANG", "HOME"};
    char **env = NULL;

    *ret_ok = true;
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        if (!text_list_has(p->environment, always[i])) {
            *ret_ok = add_variable(&env, always[i]) && *ret_ok;
        }
    }
    for (size_t i = 0; p->environment != NULL && p->environment[i] != NULL; i++) {
        *ret_ok = add_variable(&env, p->environment[i]) && *ret_ok;
    }
    return env;
}

static struct err *make_helper(struct module *m)
{
    const char *const argv[] = {m->r->helper_path, m->name, NULL};
    AUTO(auto_free) char *name = text_fmt("holdfast-token %s", m->name);
    AUTO(text_list_free) char **env = NULL;
    bool ok = false;

    env = make_environment(&m->load, &ok);
    if (name == NULL || !ok) {
        return err_nomem();
    }
    const struct io_helper_conf conf = {.name = name,
                                        .argv = argv,
                                        .env = (const char *const *)env,
                                        .outstanding_max = 1,
                                        .lane_outstanding_max = 1,
                                        .on_up = on_up,
                                        .on_down = on_down,
                                        .arg = m};

    return io_helper_new(m->r->loop, &conf, &m->helper);
}

struct err *module_init(struct module *m, struct remote *r, const struct remote_module_conf *conf)
{
    m->r = r;
    m->name = text_copy(conf->name);
    m->path = text_copy(conf->path);
    if (m->name == NULL || m->path == NULL) {
        return err_nomem();
    }
    struct err *e = profile_match_load(r->profiles, m->path, &m->load, &m->why);

    if (e != NULL) { /* of one module only: the others go on */
        m->error = err_add(e, "module %s (%s)", m->name, m->path);
        m->failed = true;
        m->answered = true;
        return NULL;
    }
    m->matched = true;
    return make_helper(m);
}

void module_deinit(struct module *m)
{
    m->up = false; /* nothing more is asked while calls in flight fail */
    io_helper_free(&m->helper);
    if (m->matched) {
        profile_load_deinit(&m->load);
        profile_why_deinit(&m->why);
    }
    free_present(m->present, m->present_n);
    m->present = NULL;
    m->present_n = 0;
    err_free(&m->error);
    free(m->name);
    free(m->path);
}
