/*
 * The messages between the agent and holdfast-vault: writer and reader of each stand side by side.
 * Both programs link this file, so it knows nothing of HTTP or JSON.
 *
 * A configuration's strings are listed once, in conf_texts[]; copying, freeing, writing and reading
 * walk that list, so a new setting is one more row. A string that may be absent travels as a byte
 * that says so, then the string.
 */
#include "vault/ops.h"

#include <stdlib.h>

static const size_t conf_texts[] = {
    offsetof(struct vault_conf, name),          offsetof(struct vault_conf, address),
    offsetof(struct vault_conf, namespace_),    offsetof(struct vault_conf, ca_bundle),
    offsetof(struct vault_conf, login_mount),   offsetof(struct vault_conf, token_file),
    offsetof(struct vault_conf, role_id_file),  offsetof(struct vault_conf, secret_id_file),
    offsetof(struct vault_conf, wrapping_path),
};

/* --- optional strings ------------------------------------------------------------------------ */

static void put_maybe(struct buf *b, const char *s)
{
    buf_put_bool(b, s != NULL);
    if (s != NULL) {
        buf_put_cstr(b, s);
    }
}

static char *get_text(struct rd *r)
{
    char *s = rd_cstr(r);

    if (s == NULL) {
        rd_fail(r); /* out of memory must not look like an absent string */
    }
    return s;
}

static char *get_maybe(struct rd *r)
{
    return rd_bool(r) ? get_text(r) : NULL;
}

/* --- a server's configuration ---------------------------------------------------------------- */

static const char **text_at(struct vault_conf *c, size_t i)
{
    return (const char **)(void *)((char *)c + conf_texts[i]);
}

void vault_conf_deinit(struct vault_conf *c)
{
    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        free((char *)*text_at(c, i));
    }
    secret_free((struct secret **)&c->token);
    *c = (struct vault_conf){0};
}

struct err *vault_conf_copy(const struct vault_conf *from, struct vault_conf *ret)
{
    struct vault_conf copy = *from;
    bool whole = true;

    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        const char *text = *text_at(&copy, i);

        *text_at(&copy, i) = text_copy(text);
        whole = whole && (text == NULL || *text_at(&copy, i) != NULL);
    }
    copy.token = secret_copy(from->token);
    if (!whole || (from->token != NULL && copy.token == NULL)) {
        vault_conf_deinit(&copy);
        return err_nomem();
    }
    *ret = copy;
    return NULL;
}

void vault_confs_free(struct vault_conf **list, size_t n)
{
    struct vault_conf *confs = take(list);

    for (size_t i = 0; confs != NULL && i < n; i++) {
        vault_conf_deinit(&confs[i]);
    }
    free(confs);
}

static void conf_put(struct buf *b, struct vault_conf c)
{
    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        put_maybe(b, *text_at(&c, i));
    }
    buf_put_u8(b, (uint8_t)c.login);
    buf_put_bool(b, c.secret_id_wrapped);
    buf_put_u64(b, (uint64_t)c.request_timeout_ms);
    buf_put_string(b, c.token != NULL ? secret_view(c.token) : view_of(NULL, 0));
}

static struct err *conf_get(struct rd *r, struct vault_conf *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        *text_at(ret, i) = get_maybe(r);
    }
    uint8_t login = rd_u8(r);

    ret->login = (enum vault_login)login;
    ret->secret_id_wrapped = rd_bool(r);
    ret->request_timeout_ms = (int64_t)rd_u64(r);
    struct view token = rd_string(r);

    if (login > VAULT_LOGIN_APPROLE || ret->request_timeout_ms < 0 || ret->name == NULL ||
        ret->address == NULL) {
        rd_fail(r);
    }
    if (rd_failed(r)) {
        return err_new(ERR_PROTOCOL, "malformed Vault configuration in a frame");
    }
    return token.len > 0 ? secret_new(token, (struct secret **)&ret->token) : NULL;
}

void vault_confs_put(struct buf *b, const struct vault_conf *conf, size_t n)
{
    buf_put_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        conf_put(b, conf[i]);
    }
}

struct err *vault_confs_get(struct rd *r, struct vault_conf **ret, size_t *ret_n)
{
    uint32_t n = rd_u32(r);

    if (n > VAULT_SERVERS_MAX) {
        return err_new(ERR_LIMIT, "%u Vault servers: at most %d are possible", n,
                       VAULT_SERVERS_MAX);
    }
    struct vault_conf *list = calloc(n + 1, sizeof *list);
    struct err *e = list == NULL ? err_nomem() : NULL;

    for (uint32_t i = 0; e == NULL && i < n; i++) {
        e = conf_get(r, &list[i]);
    }
    if (e == NULL) {
        e = rd_end(r, "Vault configuration");
    }
    if (e != NULL) {
        vault_confs_free(&list, n);
        return e;
    }
    *ret = list;
    *ret_n = n;
    return NULL;
}

/* --- a signing request ----------------------------------------------------------------------- */

static void put_options(struct buf *b, const struct ssh_cert_option *list)
{
    uint32_t n = 0;

    while (list != NULL && list[n].name != NULL) {
        n++;
    }
    buf_put_bool(b, list != NULL);
    buf_put_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        buf_put_cstr(b, list[i].name);
        buf_put_cstr(b, list[i].value);
    }
}

static void free_options(struct ssh_cert_option **list)
{
    struct ssh_cert_option *options = take(list);

    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        free(options[i].name);
        free(options[i].value);
    }
    free(options);
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
        list[i].name = get_text(r);
        list[i].value = get_text(r);
        if (list[i].name == NULL) {
            auto_free(&list[i].value); /* a NULL name ends the list */
        }
    }
    return list;
}

static char **get_principals(struct rd *r)
{
    uint32_t n = rd_u32(r);
    char **list = NULL;

    if (n > SSH_CERT_PRINCIPALS_MAX) {
        rd_fail(r);
    }
    for (uint32_t i = 0; i < n && !rd_failed(r); i++) {
        AUTO(auto_free) char *name = get_text(r);

        if (name != NULL && !text_list_add(&list, name)) {
            rd_fail(r);
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
    put_maybe(b, request->issuer_ref);
    put_maybe(b, request->key_id);
    buf_put_u32(b, (uint32_t)text_list_len(request->principals));
    for (size_t i = 0; request->principals != NULL && request->principals[i] != NULL; i++) {
        buf_put_cstr(b, request->principals[i]);
    }
    put_options(b, request->critical);
    put_options(b, request->extensions);
}

struct err *vault_ask_get(struct rd *r, struct vault_ask *ret)
{
    struct vault_ask a = {0};

    a.server = rd_u32(r);
    a.deadline.ms = (int64_t)rd_u64(r);
    uint32_t kind = rd_u32(r);

    a.kind = (enum ssh_cert_kind)kind;
    a.ttl_s = (int64_t)rd_u64(r);
    a.public_key = get_text(r);
    a.mount = get_text(r);
    a.role = get_text(r);
    a.issuer_ref = get_maybe(r);
    a.key_id = get_maybe(r);
    a.principals = get_principals(r);
    a.critical = get_options(r);
    a.extensions = get_options(r);
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
    free_options(&a->critical);
    free_options(&a->extensions);
    *a = (struct vault_ask){0};
}

/* --- its answer ------------------------------------------------------------------------------ */

void vault_answer_put(struct buf *b, const struct signer_answer *answer)
{
    buf_put_string(b, answer->cert_line);
    buf_put_cstr(b, answer->request_id);
    buf_put_bool(b, answer->has_skew);
    buf_put_u64(b, (uint64_t)answer->skew_s);
}

struct err *vault_answer_get(struct rd *r, struct signer_answer *ret, char **ret_request_id)
{
    struct signer_answer a = {.cert_line = rd_string(r)};
    AUTO(auto_free) char *request_id = rd_cstr(r);

    a.has_skew = rd_bool(r);
    a.skew_s = (int64_t)rd_u64(r);
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
