/*
 * The registry of this configuration: its store, and what it is bound to.
 * What holdfast.yaml has named (identities, signers, tokens) is taken: the registry never touches it.
 */
#include <stdlib.h>

#include "daemon/parts.h"

/* What the store tells the registry, which is made of it: so the one comes before the other. */
static void on_store_change(void *arg)
{
    struct parts_registry *r = arg;

    if (r->registry != NULL) {
        registry_changed(r->registry);
    }
}

static void close_kv(void *self)
{
    struct vault_kv *kv = self;

    vault_kv_free(&kv);
}

/* The entries are the store's from here on, which ends with close_kv(). */
static struct err *open_kv(const struct config_registry *c, struct io_loop *l, struct vault *vault,
                           struct parts_registry *r, struct store **ret)
{
    struct vault_kv *kv = NULL;
    struct err *e = vault_kv_new(vault, c->kv->signer, c->kv->mount, c->kv->prefix, &kv);

    if (e == NULL) {
        const struct store_kv_ops ops = {.get = vault_kv_get,
                                         .cas = vault_kv_cas,
                                         .list = vault_kv_list,
                                         .self = kv,
                                         .close = close_kv};

        e = store_kv_open(l, &ops, c->path, on_store_change, r, ret);
    }
    return e;
}

static struct err *open_store(const struct config *c, struct io_loop *l, struct vault *vault,
                              struct parts_registry *r, struct store **ret)
{
    return c->registry.store == CONFIG_STORE_VAULT_KV
               ? open_kv(&c->registry, l, vault, r, ret)
               : store_sqlite_open(l, c->registry.path, on_store_change, r, ret);
}

/* The texts stay the configuration's. */
static struct err *allow(const struct config_registry *c, struct parts_registry *r)
{
    struct registry_allowed_list list = {.n = c->secret_folders_count + c->login_keys_count};

    list.rows = r->allowed = calloc(list.n + 1, sizeof *r->allowed);
    if (r->allowed == NULL) {
        return err_nomem();
    }
    for (unsigned i = 0; i < c->secret_folders_count; i++) {
        r->allowed[i] = (struct registry_allowed){.scope = c->secret_folders[i].scope,
                                                  .folder = c->secret_folders[i].path};
    }
    for (unsigned i = 0; i < c->login_keys_count; i++) {
        r->allowed[c->secret_folders_count + i] =
            (struct registry_allowed){.scope = c->login_keys[i].scope, .key = c->login_keys[i].key};
    }
    registry_allow(r->registry, &list);
    return NULL;
}

struct err *parts_registry_new(const struct config *c, struct io_loop *l, struct vault *vault,
                               struct parts_registry *ret)
{
    AUTO(auto_free) char *audit = text_fmt("%s/registry-audit.jsonl", c->agent.state);
    struct store *store = NULL;

    *ret = (struct parts_registry){0};
    if (c->registry.disabled) {
        return NULL;
    }
    struct err *e = audit != NULL ? open_store(c, l, vault, ret, &store) : err_nomem();

    if (e == NULL) {
        e = registry_new(l, store, audit, &ret->registry);
    }
    if (e == NULL) {
        e = allow(&c->registry, ret);
    }
    return err_add(e, "registry");
}

void parts_registry_deinit(struct parts_registry *r)
{
    registry_free(&r->registry);
    auto_free(&r->allowed);
}

struct err *parts_binder(const struct config *c, const struct parts_signers *signers,
                         struct bind_deps *deps, struct bind_registry **ret)
{
    AUTO(text_list_free) char **identities = NULL;
    AUTO(text_list_free) char **names = NULL;
    json_t *tokens = json_object();
    bool ok = tokens != NULL;

    for (unsigned i = 0; ok && i < c->identities_count; i++) {
        ok = text_list_add(&identities, c->identities[i].name);
    }
    for (size_t i = 0; ok && i < signers->n; i++) {
        ok = text_list_add(&names, signers->all[i]->name);
    }
    for (unsigned i = 0; ok && i < c->tokens_count; i++) {
        ok = json_object_set_new(tokens, c->tokens[i].name, json_string(c->tokens[i].uri)) == 0;
    }
    deps->vault = signers->vault;
    deps->taken = (struct bind_taken){identities, names, tokens, *registry_allowed(deps->registry)};
    struct err *e = ok ? bind_registry_new(deps, ret) : err_nomem();

    json_decref(tokens);
    return e;
}

struct err *parts_grants(const struct config *c, struct control_grant **ret)
{
    static const enum control_right rights[] = {
        [CONFIG_RIGHT_VIEWER] = CONTROL_VIEWER,
        [CONFIG_RIGHT_OPERATOR] = CONTROL_OPERATOR,
        [CONFIG_RIGHT_ADMINISTRATOR] = CONTROL_ADMINISTRATOR,
    };
    struct control_grant *list = calloc(c->grants_count + 1, sizeof *list);

    for (unsigned i = 0; list != NULL && i < c->grants_count; i++) {
        const struct config_grant *g = &c->grants[i];

        list[i] = (struct control_grant){.has_uid = !g->is_group,
                                         .has_gid = g->is_group,
                                         .uid = g->is_group ? 0 : g->id,
                                         .gid = g->is_group ? g->id : 0,
                                         .scope = g->scope,
                                         .right = rights[g->right]};
    }
    *ret = list;
    return list != NULL ? NULL : err_nomem();
}
