/*
 * X.509 certificates from the agent's side: a request goes out, PEM text comes back. Nothing of it is
 * believed here.
 */
#include "vault/issue.h"

#include "vault/client.h"

const struct vault_conf *vault_conf_of(const struct vault *v, const char *name)
{
    const struct vault_client_server *s = vault_find(v, name);

    return s != NULL ? &s->edition->conf : NULL;
}

static void on_issued(struct vault_pending *p, struct err *e, struct rd *reply)
{
    struct vault_pki_answer answer = {0};

    if (e == NULL) {
        e = vault_pki_get(reply, &answer);
    }
    p->on.pki(p->arg, e, e == NULL ? &answer : NULL);
    vault_pki_deinit(&answer);
}

/* One a line. NULL: out of memory. */
static char *lines_of(char *const *names)
{
    char *lines = text_copy("");

    for (size_t i = 0; lines != NULL && names != NULL && names[i] != NULL; i++) {
        AUTO(auto_free) char *before = lines;

        lines = text_fmt("%s%s\n", before, names[i]);
    }
    return lines;
}

uint64_t vault_pki_sign(struct vault *v, const struct vault_pki_request *request,
                        vault_pki_fn *on_done, void *arg)
{
    AUTO(auto_free) char *names = lines_of(request->alt_names);
    struct vault_query q = {
        .deadline = request->deadline,
        .mount = request->mount,
        .name = request->role,
        .text = request->csr_pem,
        .common_name = request->common_name,
        .alt_names = names,
        .version = (uint64_t)request->ttl_s,
    };
    struct err *e = names != NULL ? NULL : err_nomem();
    struct vault_pending *p =
        e == NULL ? vault_target_begin(v, &request->target, arg, &q, &e) : NULL;

    if (p == NULL) {
        on_done(arg, e, NULL);
        return 0;
    }
    p->finish = on_issued;
    p->on.pki = on_done;
    return vault_send_query(p, VAULT_OP_PKI_SIGN, &q);
}

static void on_revoked(struct vault_pending *p, struct err *e, struct rd *reply)
{
    (void)reply;
    p->on.done(p->arg, e);
}

uint64_t vault_revoke(struct vault *v, const struct vault_target *target, struct mono deadline,
                      vault_done_fn *on_done, void *arg)
{
    struct vault_query q = {.deadline = deadline};
    struct err *e = NULL;
    struct vault_pending *p = vault_target_begin(v, target, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e);
        return 0;
    }
    p->finish = on_revoked;
    p->on.done = on_done;
    return vault_send_query(p, VAULT_OP_REVOKE, &q);
}
