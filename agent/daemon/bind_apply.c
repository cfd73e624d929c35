/*
 * From what holds to what should: the difference of two plans, done in the one order in which nothing
 * is ever referred to that is gone. Servers and tokens come first, identities change, the renewal
 * clock lets go of what they left behind, and only then do servers and tokens go.
 *
 * What fails does not hold up the rest. It is said in the log, does not count as done, and is tried
 * again: with the next change, and after a pause that grows.
 */
#include <stdlib.h>

#include "daemon/bind_registry.h"

static json_t *part(const json_t *plan, const char *name)
{
    return json_object_get(plan, name);
}

static const char *text_or(const json_t *object, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : otherwise;
}

/* Did it work? Then it holds from now on. @e is taken. */
static bool done(struct bind_registry *b, const char *kind, const char *name, struct err *failed)
{
    AUTO(err_free) struct err *e = failed;
    json_t *value = json_object_get(part(b->plan, kind), name);

    if (e != NULL) {
        log_err(LOG_WARN, e, "registry, %s", name);
        bind_problem(b,
                     text_eq(kind, "vaults")   ? "connector"
                     : text_eq(kind, "tokens") ? "token"
                                               : "ssh-key",
                     text_or(value, "scope", NULL), text_or(value, "id", name), err_text(e));
        b->failed = true;
        return false;
    }
    json_object_set(part(b->applied, kind), name, value);
    return true;
}

static struct err *keep_signer(struct bind_registry *b, const char *name,
                               const struct signer *signer)
{
    for (size_t i = 0; i < b->vaults_n; i++) {
        if (text_eq(b->vaults[i].name, name)) {
            return NULL;
        }
    }
    struct bind_signer *more = reallocarray(b->vaults, b->vaults_n + 1, sizeof *more);

    b->vaults = more != NULL ? more : b->vaults;
    char *copy = more != NULL ? text_copy(name) : NULL;

    if (copy == NULL) {
        return err_nomem();
    }
    b->vaults[b->vaults_n++] = (struct bind_signer){copy, signer};
    return NULL;
}

static struct err *put_vault(struct bind_registry *b, const char *name)
{
    AUTO(bind_vault_deinit) struct bind_vault v = {0};
    const struct signer *signer = NULL;
    struct err *e = bind_vault_of(b, name, json_object_get(part(b->plan, "vaults"), name), &v);

    if (e == NULL) {
        e = vault_put(b->deps.vault, &v.conf, &signer);
    }
    return e != NULL ? e : keep_signer(b, name, signer);
}

/* One that holdfast.yaml has, with its own PIN sources, is not opened a second time. */
static bool is_known(const struct bind_registry *b, const char *name, const char *uri)
{
    struct remote_token t;
    size_t at = 0;
    AUTO(err_free) struct err *e = remote_token_find(b->deps.remote, uri, &at);

    if (e != NULL) {
        return false;
    }
    remote_token_get(b->deps.remote, at, &t);
    return t.name != NULL && !text_eq(t.name, name) && json_object_get(b->tokens, t.name) != NULL;
}

void bind_registry_tokens(struct bind_registry *b)
{
    const char *name;
    json_t *conf;

    json_object_foreach(part(b->applied, "tokens"), name, conf)
    {
        if (is_known(b, name, json_string_value(json_object_get(conf, "uri")))) {
            remote_token_remove(b->deps.remote, name);
        }
    }
}

static struct err *put_token(struct bind_registry *b, const char *name)
{
    const json_t *from = json_object_get(part(b->plan, "tokens"), name);
    AUTO(bind_token_deinit) struct bind_token t = {0};
    struct err *e = bind_token_of(b, name, from, &t);

    if (e == NULL && is_known(b, name, t.conf.uri)) {
        remote_token_remove(b->deps.remote, name);
        return NULL;
    }
    return e != NULL ? e : remote_token_put(b->deps.remote, &t.conf);
}

static struct err *put_identity(struct bind_registry *b, const char *name)
{
    const json_t *from = json_object_get(part(b->plan, "identities"), name);
    AUTO(bind_identity_deinit) struct bind_identity i = {0};
    struct err *e = bind_identity_of(b, name, from, &i);

    if (e == NULL &&
        bind_plan_is_elsewhere(json_object_get(part(b->applied, "identities"), name), from)) {
        identity_set_remove(b->deps.identities, name);
    }
    return e != NULL ? e : identity_set_put(b->deps.identities, &i.conf);
}

static void put_all(struct bind_registry *b, const char *kind,
                    struct err *(*put)(struct bind_registry *b, const char *name))
{
    AUTO(text_list_free) char **names = bind_plan_put(b->applied, b->plan, kind);

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        done(b, kind, names[i], put(b, names[i]));
    }
}

static void remove_vault(struct bind_registry *b, const char *name)
{
    vault_remove(b->deps.vault, name);
    for (size_t i = 0; i < b->vaults_n; i++) {
        if (text_eq(b->vaults[i].name, name)) {
            free(b->vaults[i].name);
            b->vaults[i] = b->vaults[--b->vaults_n];
            return;
        }
    }
}

static void remove_token(struct bind_registry *b, const char *name)
{
    remote_token_remove(b->deps.remote, name);
}

static void remove_identity(struct bind_registry *b, const char *name)
{
    identity_set_remove(b->deps.identities, name);
}

static void remove_all(struct bind_registry *b, const char *kind,
                       void (*away)(struct bind_registry *b, const char *name))
{
    AUTO(text_list_free) char **names = bind_plan_gone(b->applied, b->plan, kind);

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        away(b, names[i]);
        json_object_del(part(b->applied, kind), names[i]);
    }
}

static void tell_problems(struct bind_registry *b)
{
    AUTO(text_list_free) char **names = bind_plan_put(b->applied, b->plan, "problems");

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        log_line(LOG_WARN, "registry, SSH key %s is no identity: %s", names[i],
                 json_string_value(json_object_get(part(b->plan, "problems"), names[i])));
    }
    json_object_set(b->applied, "problems", part(b->plan, "problems"));
}

void bind_apply(struct bind_registry *b)
{
    b->failed = false;
    put_all(b, "vaults", put_vault);
    put_all(b, "tokens", put_token);
    remove_all(b, "identities", remove_identity);
    put_all(b, "identities", put_identity);
    if (b->deps.logins != NULL) {
        bind_login_look(b->deps.logins);
    }
    renew_reconsider(b->deps.renew);
    remove_all(b, "vaults", remove_vault);
    remove_all(b, "tokens", remove_token);
    tell_problems(b);
}
