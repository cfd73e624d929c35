/*
 * Looking at a server from the agent's side: the check, and lists to pick from. All the work is done in
 * the helper; here a target is found and messages become callbacks.
 */
#include "vault/client.h"

struct vault_pending *vault_target_begin(struct vault *v, const struct vault_target *target,
                                         void *arg, struct vault_query *q, struct err **ret_e)
{
    struct vault_client_server *s = NULL;

    *ret_e = NULL;
    if (target->conf != NULL) {
        q->conf = target->conf;
        *ret_e = vault_conf_check(target->conf);
    } else if (target->name == NULL || (s = vault_find(v, target->name)) == NULL) {
        *ret_e = err_new(ERR_NOT_FOUND, "there is no Vault server \"%s\"",
                         target->name != NULL ? target->name : "");
    }
    struct vault_pending *p = *ret_e == NULL ? vault_pending_new(v, s) : NULL;

    if (p != NULL) {
        p->arg = arg;
    } else if (*ret_e == NULL) {
        *ret_e = err_nomem();
    }
    return p;
}

/* --- the check ---------------------------------------------------------------------------------- */

static void on_step(struct vault_pending *p, struct rd *event)
{
    AUTO(vault_step_in_deinit) struct vault_step_in in = {0};
    struct err *e = vault_step_get(event, &in);

    if (e == NULL) {
        p->on.check.step(p->arg, &in.step); /* may cancel this call: p is not touched any more */
    } else if (p->broken == NULL) {
        p->broken = e;
    } else {
        err_free(&e);
    }
}

static void on_checked(struct vault_pending *p, struct err *e, struct rd *reply)
{
    (void)reply;
    p->on.check.done(p->arg, e);
}

uint64_t vault_check(struct vault *v, const struct vault_check *check, vault_step_fn *on_step_fn,
                     vault_done_fn *on_done, void *arg)
{
    struct vault_query q = {.deadline = check->deadline,
                            .mount = check->mount,
                            .name = check->role,
                            .text = check->principals};
    struct err *e = NULL;
    struct vault_pending *p = vault_target_begin(v, &check->target, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e);
        return 0;
    }
    p->finish = on_checked;
    p->event = on_step;
    p->on.check.step = on_step_fn;
    p->on.check.done = on_done;
    return vault_send_query(p, VAULT_OP_CHECK, &q);
}

/* --- mounts ------------------------------------------------------------------------------------- */

static void on_mounts(struct vault_pending *p, struct err *e, struct rd *reply)
{
    struct vault_mount *list = NULL;
    size_t n = 0;

    if (e == NULL) {
        e = vault_mounts_get(reply, &list, &n);
    }
    p->on.mounts(p->arg, e, list, n);
    vault_mounts_free(&list, n);
}

uint64_t vault_mounts(struct vault *v, const struct vault_target *target, const char *type,
                      struct mono deadline, vault_mounts_fn *on_done, void *arg)
{
    struct vault_query q = {.deadline = deadline, .name = type};
    struct err *e = NULL;
    struct vault_pending *p = vault_target_begin(v, target, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e, NULL, 0);
        return 0;
    }
    p->finish = on_mounts;
    p->on.mounts = on_done;
    return vault_send_query(p, VAULT_OP_MOUNTS, &q);
}

static void on_ca_key(struct vault_pending *p, struct err *e, struct rd *reply)
{
    AUTO(auto_free) char *line = e == NULL ? vault_get_text(reply) : NULL;

    if (e == NULL) {
        e = rd_end(reply, "a CA's public key");
    }
    p->on.ca_key(p->arg, e, e == NULL ? line : NULL);
}

uint64_t vault_ca_key(struct vault *v, const struct vault_target *target, const char *mount,
                      const char *issuer, struct mono deadline, vault_ca_key_fn *on_done, void *arg)
{
    struct vault_query q = {.deadline = deadline, .mount = mount, .name = issuer};
    struct err *e = NULL;
    struct vault_pending *p = vault_target_begin(v, target, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e, NULL);
        return 0;
    }
    p->finish = on_ca_key;
    p->on.ca_key = on_done;
    return vault_send_query(p, VAULT_OP_CA_KEY, &q);
}
