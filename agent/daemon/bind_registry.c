/*
 * The binder: hears that the registry changed, reads all SSH keys with what they refer to, makes a
 * plan of them and has it applied. One reading at a time; a change during one asks for another.
 */
#include "daemon/bind_registry.h"

#include <stdlib.h>

static void begin(struct bind_registry *b);

void bind_problem(struct bind_registry *b, const char *kind, const char *scope, const char *id,
                  const char *problem)
{
    json_t *one = json_pack("{s:s, s:s?, s:s, s:s}", "kind", kind, "scope", scope, "identifier", id,
                            "problem", problem);

    if (one != NULL) {
        json_array_append_new(b->problems, one);
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* What the registry itself says of some. */
static void add_problems(struct bind_registry *b, json_t *plan, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        AUTO(auto_free) char *name =
            bind_plan_name(text_of(p, "scope"), text_of(p, "identifier"), b->identities);

        if (name != NULL) {
            json_object_set(json_object_get(plan, "problems"), name, json_object_get(p, "problem"));
            bind_problem(b, "ssh-key", text_of(p, "scope"), text_of(p, "identifier"),
                         text_of(p, "problem"));
        }
    }
}

/* What came up when the plan was made. */
static void add_plan_problems(struct bind_registry *b, const json_t *plan, const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *key = json_object_get(json_array_get(items, i), "ssh_key");
        AUTO(auto_free) char *name =
            bind_plan_name(text_of(key, "scope"), text_of(key, "identifier"), b->identities);
        const char *problem =
            name != NULL ? text_of(json_object_get(plan, "problems"), name) : NULL;

        if (problem != NULL) {
            bind_problem(b, "ssh-key", text_of(key, "scope"), text_of(key, "identifier"), problem);
        }
    }
}

static void add_login_problems(struct bind_registry *b, const json_t *plan, const json_t *logins)
{
    for (size_t i = 0; i < json_array_size(logins); i++) {
        const json_t *login = json_array_get(logins, i);
        const json_t *c = json_object_get(login, "connector");
        AUTO(auto_free) char *name = bind_plan_login_name(login, b->signers);
        const char *problem =
            name != NULL ? text_of(json_object_get(plan, "problems"), name) : NULL;

        if (problem != NULL) {
            bind_problem(b, "connector", text_of(c, "scope"), text_of(c, "identifier"), problem);
        }
    }
}

enum { RETRY_FIRST_MS = 5000, RETRY_LAST_MS = 5 * 60 * 1000 };

/* What failed may need no change to go well: a helper that was restarting, memory, a disk. */
static void try_later(struct bind_registry *b, bool failed)
{
    if (!failed) {
        b->retry_ms = 0;
        io_timer_clear(b->retry);
        return;
    }
    int64_t ms = b->retry_ms > 0 ? b->retry_ms : RETRY_FIRST_MS;

    b->retry_ms = ms * 2 < RETRY_LAST_MS ? ms * 2 : RETRY_LAST_MS;
    b->retry_at = mono_in(ms);
    io_timer_set(b->retry, b->retry_at);
}

static struct err *take_items(struct bind_registry *b, const json_t *result)
{
    json_t *plan = NULL;
    const json_t *logins = json_object_get(result, "logins");
    struct err *e = bind_plan_make(json_object_get(result, "items"), logins, &b->deps.taken, &plan);

    if (e == NULL) {
        json_array_clear(b->problems);
        add_plan_problems(b, plan, json_object_get(result, "items"));
        add_login_problems(b, plan, logins);
        add_problems(b, plan, json_object_get(result, "problems"));
        json_decref(b->plan);
        b->plan = plan;
        bind_apply(b);
    }
    return e;
}

static void on_resolved(void *arg, struct err *failed, json_t *result)
{
    AUTO(err_free) struct err *e = failed;
    struct bind_registry *b = arg;

    b->busy = false;
    if (e == NULL) {
        e = take_items(b, result);
    }
    if (e != NULL) {
        log_err(LOG_WARN, e, "the registry cannot be read; identities stay as they are");
    }
    try_later(b, e != NULL || b->failed);
    if (b->again) {
        begin(b);
    }
}

static void begin(struct bind_registry *b)
{
    b->again = b->busy;
    if (!b->busy) {
        b->busy = true;
        registry_resolve_all(b->deps.registry, on_resolved, b);
    }
}

static void on_change(void *arg)
{
    begin(arg);
}

static void on_retry(void *arg)
{
    begin(arg);
}

static struct err *copy_taken(struct bind_registry *b, const struct bind_taken *taken)
{
    b->identities = text_list_copy(taken->identities);
    b->signers = text_list_copy(taken->signers);
    b->tokens = json_deep_copy(taken->tokens);
    b->deps.taken = (struct bind_taken){b->identities, b->signers, b->tokens, taken->allowed};
    if ((b->identities == NULL && taken->identities != NULL) ||
        (b->signers == NULL && taken->signers != NULL) || b->tokens == NULL) {
        return err_nomem();
    }
    return NULL;
}

struct err *bind_registry_new(const struct bind_deps *deps, struct bind_registry **ret)
{
    AUTO(bind_registry_free) struct bind_registry *b = calloc(1, sizeof *b);

    if (b == NULL) {
        return err_nomem();
    }
    b->deps = *deps;
    b->applied =
        json_pack("{s:{}, s:{}, s:{}, s:{}}", "vaults", "tokens", "identities", "problems");
    b->problems = json_array();
    b->retry = io_timer_new(deps->loop, on_retry, b);
    struct err *e = b->applied != NULL && b->problems != NULL && b->retry != NULL
                        ? copy_taken(b, &deps->taken)
                        : err_nomem();

    if (e == NULL) {
        registry_watch(b->deps.registry, on_change, b);
        begin(b);
        *ret = take(&b);
    }
    return e;
}

void bind_registry_free(struct bind_registry **bp)
{
    struct bind_registry *b = take(bp);

    if (b == NULL) {
        return;
    }
    registry_watch(b->deps.registry, NULL, NULL);
    io_timer_free(&b->retry);
    for (size_t i = 0; i < b->vaults_n; i++) {
        free(b->vaults[i].name);
    }
    for (size_t i = 0; i < b->secrets_n; i++) {
        free(b->secrets[i].variable);
        secret_free(&b->secrets[i].value);
    }
    free(b->vaults);
    free(b->secrets);
    json_decref(b->applied);
    json_decref(b->plan);
    json_decref(b->problems);
    json_decref(b->tokens);
    text_list_free(&b->identities);
    text_list_free(&b->signers);
    free(b);
}

struct identity *bind_registry_identity(const struct bind_registry *b, const char *scope,
                                        const char *id)
{
    AUTO(auto_free) char *name = bind_plan_name(scope, id, b->identities);
    const json_t *bound =
        name != NULL ? json_object_get(json_object_get(b->applied, "identities"), name) : NULL;

    if (!text_eq(json_string_value(json_object_get(bound, "scope")), scope) ||
        !text_eq(json_string_value(json_object_get(bound, "id")), id)) {
        return NULL;
    }
    return identity_find(b->deps.identities, name);
}

char *bind_registry_vault(const struct bind_registry *b, const char *scope, const char *id)
{
    AUTO(auto_free) char *name = bind_plan_name(scope, id, b->signers);
    const json_t *there =
        name != NULL ? json_object_get(json_object_get(b->applied, "vaults"), name) : NULL;
    const json_t *connector = json_object_get(there, "connector");

    return there != NULL && !json_is_true(json_object_get(connector, "read_only")) ? take(&name)
                                                                                   : NULL;
}

bool bind_registry_is_busy(const struct bind_registry *b)
{
    return b->busy || registry_will_tell(b->deps.registry);
}

json_t *bind_registry_problems(const struct bind_registry *b)
{
    int64_t left_ms = b->retry_at.ms - mono_now().ms;
    json_t *retry =
        b->retry_ms == 0 ? json_null() : json_integer(left_ms > 0 ? (left_ms + 999) / 1000 : 0);

    return json_pack("{s:O, s:o}", "problems", b->problems, "retry_s", retry);
}

const struct secret *bind_registry_secret(struct bind_registry *b, const char *variable)
{
    for (size_t i = 0; i < b->secrets_n; i++) {
        if (text_eq(b->secrets[i].variable, variable)) {
            return b->secrets[i].value;
        }
    }
    struct bind_secret *more = reallocarray(b->secrets, b->secrets_n + 1, sizeof *more);

    b->secrets = more != NULL ? more : b->secrets;
    char *copy = more != NULL ? text_copy(variable) : NULL;
    struct secret *value = NULL;
    AUTO(err_free) struct err *e = copy != NULL ? secret_from_env(variable, &value) : err_nomem();

    if (e != NULL) {
        free(copy);
        return NULL;
    }
    b->secrets[b->secrets_n++] = (struct bind_secret){copy, value};
    return value;
}
