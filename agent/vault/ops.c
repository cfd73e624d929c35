/*
 * The messages between the agent and holdfast-vault: writer and reader of each stand side by side.
 * Both programs link this file, so it knows nothing of HTTP or JSON. Here is what signing takes;
 * the other operations share one message, in query.c.
 */
#include "vault/ops.h"

#include <stdlib.h>

/* --- a signing request ----------------------------------------------------------------------- */

static void put_options(struct buf *b, const struct ssh_cert_option *list)
{
    size_t n = ssh_cert_options_len(list);

    buf_put_bool(b, list != NULL);
    buf_put_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_put_cstr(b, list[i].name);
        buf_put_cstr(b, list[i].value);
    }
}

static struct ssh_cert_option *get_options(struct rd *r)
{
    bool present = rd_bool(r);
    uint32_t n = rd_u32(r);

    if (n > SSH_CERT_OPTIONS_MAX || (!present && n > 0)) {
        rd_fail(r);
    }
    if (!present || rd_failed(r)) {
        return NULL;
    }
    struct ssh_cert_option *list = calloc(n + 1, sizeof *list);

    if (list == NULL) {
        rd_fail(r);
    }
    for (uint32_t i = 0; list != NULL && i < n && !rd_failed(r); i++) {
        list[i].name = vault_get_text(r);
        list[i].value = vault_get_text(r);
        if (list[i].name == NULL) {
            auto_free(&list[i].value); /* a NULL name ends the list */
        }
    }
    return list;
}

void vault_ask_put(struct buf *b, uint32_t server, struct mono deadline, const char *public_key,
                   const struct signer_request *request)
{
    buf_put_u32(b, server);
    buf_put_u64(b, (uint64_t)deadline.ms);
    buf_put_u32(b, request->kind);
    buf_put_u64(b, (uint64_t)request->ttl_s);
    buf_put_cstr(b, public_key);
    buf_put_cstr(b, request->mount != NULL ? request->mount : "");
    buf_put_cstr(b, request->role != NULL ? request->role : "");
    vault_put_maybe(b, request->issuer_ref);
    vault_put_maybe(b, request->key_id);
    text_list_put(b, request->principals);
    put_options(b, request->critical);
    put_options(b, request->extensions);
    buf_put_bool(b, request->role_may_choose);
}

struct err *vault_ask_get(struct rd *r, struct vault_ask *ret)
{
    struct vault_ask a = {0};

    a.server = rd_u32(r);
    a.deadline.ms = (int64_t)rd_u64(r);
    uint32_t kind = rd_u32(r);

    a.kind = (enum ssh_cert_kind)kind;
    a.ttl_s = (int64_t)rd_u64(r);
    a.public_key = vault_get_text(r);
    a.mount = vault_get_text(r);
    a.role = vault_get_text(r);
    a.issuer_ref = vault_get_maybe(r);
    a.key_id = vault_get_maybe(r);
    a.principals = text_list_get(r, SSH_CERT_PRINCIPALS_MAX);
    a.critical = get_options(r);
    a.extensions = get_options(r);
    a.role_may_choose = rd_bool(r);
    if ((kind != SSH_CERT_USER && kind != SSH_CERT_HOST) || a.ttl_s < 0 || a.deadline.ms < 0) {
        rd_fail(r);
    }
    struct err *e = rd_end(r, "signing request");

    if (e != NULL) {
        vault_ask_deinit(&a);
        return e;
    }
    *ret = a;
    return NULL;
}

void vault_ask_deinit(struct vault_ask *a)
{
    free(a->public_key);
    free(a->mount);
    free(a->role);
    free(a->issuer_ref);
    free(a->key_id);
    text_list_free(&a->principals);
    ssh_cert_options_free(&a->critical);
    ssh_cert_options_free(&a->extensions);
    *a = (struct vault_ask){0};
}

/* --- its answer ------------------------------------------------------------------------------ */

void vault_answer_put(struct buf *b, const struct signer_answer *answer)
{
    buf_put_string(b, answer->cert_line);
    buf_put_cstr(b, answer->request_id);
    buf_put_bool(b, answer->has_skew);
    buf_put_u64(b, (uint64_t)answer->skew_s);
    buf_put_bool(b, answer->role_chose);
}

struct err *vault_answer_get(struct rd *r, struct signer_answer *ret, char **ret_request_id)
{
    struct signer_answer a = {.cert_line = rd_string(r)};
    AUTO(auto_free) char *request_id = rd_cstr(r);

    a.has_skew = rd_bool(r);
    a.skew_s = (int64_t)rd_u64(r);
    a.role_chose = rd_bool(r);
    a.request_id = request_id;
    if (request_id == NULL || a.cert_line.len == 0 || view_has_nul(a.cert_line)) {
        rd_fail(r);
    }
    struct err *e = rd_end(r, "signed certificate");

    if (e == NULL) {
        *ret = a;
        *ret_request_id = take(&request_id);
    }
    return e;
}
