/*
 * A certificate out of a PKI engine, and the end of a login. The names go along beside the request,
 * because a role may be told not to look into that (use_csr_sans, use_csr_common_name); where it does,
 * both say the same.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vault/look_serve.h"
#include "vault/url.h"

/* The API has a member for each kind of name, except that host names and e-mail share one. */
static const struct {
    const char *prefix, *member;
} kinds[] = {
    {"DNS:", "alt_names"},
    {"email:", "alt_names"},
    {"IP:", "ip_sans"},
    {"URI:", "uri_sans"},
};

static struct err *add_name(json_t *body, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t len = strlen(kinds[i].prefix);
        const char *before = json_string_value(json_object_get(body, kinds[i].member));

        if (strncmp(name, kinds[i].prefix, len) == 0) {
            AUTO(auto_free) char *all = text_fmt("%s%s%s", before != NULL ? before : "",
                                                 before != NULL ? "," : "", name + len);

            return all != NULL && json_object_set_new(body, kinds[i].member, json_string(all)) == 0
                       ? NULL
                       : err_nomem();
        }
    }
    return err_new(ERR_INPUT, "the alternative name \"%s\" has no known kind", name);
}

static struct err *add_names(json_t *body, const char *lines)
{
    struct err *e = NULL;

    while (e == NULL && *lines != '\0') {
        size_t len = strcspn(lines, "\n");
        AUTO(auto_free) char *name = view_dup(view_of(lines, len));

        e = name != NULL ? add_name(body, name) : err_nomem();
        lines += len + (lines[len] == '\n');
    }
    return e;
}

static struct err *make_body(const struct vault_query *q, json_t **ret)
{
    AUTO(vault_json_free) json_t *body = json_pack("{s:s, s:s, s:s}", "csr", q->text, "common_name",
                                                   q->common_name, "format", "pem");
    char ttl[32];

    snprintf(ttl, sizeof ttl, "%llus", (unsigned long long)q->version);
    if (body == NULL ||
        (q->version > 0 && json_object_set_new(body, "ttl", json_string(ttl)) != 0)) {
        return err_new(ERR_INPUT, "the names are not UTF-8 text");
    }
    struct err *e = add_names(body, q->alt_names);

    if (e == NULL) {
        *ret = take(&body);
    }
    return e;
}

static void put_pem(struct buf *chain, const json_t *one)
{
    const char *pem = json_string_value(one);

    buf_put(chain, pem, pem != NULL ? strlen(pem) : 0);
    buf_put_u8(chain, '\n');
}

/* "ca_chain", or where there is none "issuing_ca", as a C string. */
static struct err *put_chain(const json_t *data, struct buf *chain)
{
    const json_t *list = json_object_get(data, "ca_chain");

    for (size_t i = 0; i < json_array_size(list); i++) {
        put_pem(chain, json_array_get(list, i));
    }
    if (chain->len == 0) {
        put_pem(chain, json_object_get(data, "issuing_ca"));
    }
    buf_put_u8(chain, 0);
    return buf_check(chain, "the CA's certificates");
}

static struct err *read_answer(const json_t *root, struct buf *reply)
{
    const json_t *data = json_object_get(root, "data");
    struct vault_pki_answer answer = {0};
    AUTO(buf_deinit) struct buf chain;

    buf_init(&chain, 0);
    struct err *e = vault_json_text(data, "certificate", &answer.cert_pem);

    if (e == NULL) {
        e = vault_json_text(data, "serial_number", &answer.serial);
    }
    if (e == NULL) {
        e = put_chain(data, &chain);
    }
    if (e == NULL) {
        answer.chain_pem = (const char *)chain.data;
        vault_pki_put(reply, &answer);
    }
    return e;
}

static struct err *hint(struct err *e, const struct vault_query *q)
{
    if (vault_api_is_status(e, 404)) {
        return err_add(e, "is the PKI engine mounted at \"%s\"?", q->mount);
    }
    if (vault_api_is_forbidden(e)) {
        return err_add(e, "the login's policy has to allow \"update\" there");
    }
    return e;
}

static struct err *make_path(const struct vault_query *q, struct buf *path, const char **ret)
{
    struct err *e = err_add(vault_url_path(path, q->mount), "mount");

    if (e == NULL) {
        e = vault_url_path(path, "sign");
    }
    if (e == NULL) {
        e = err_add(vault_url_name(path, q->name), "role");
    }
    return e != NULL ? e : vault_url_end(path, ret);
}

struct err *vault_serve_pki(struct vault_look *look)
{
    const struct vault_query *q = look->query;
    AUTO(buf_deinit) struct buf path;
    AUTO(vault_json_free) json_t *body = NULL;
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_api_call call = {.method = "POST"};
    struct err *e = NULL;

    buf_init(&path, 0);
    if (q->mount == NULL || q->name == NULL || q->text == NULL || q->common_name == NULL ||
        q->alt_names == NULL) {
        return err_new(ERR_PROTOCOL, "a request to a PKI engine lacks a part");
    }
    e = make_path(q, &path, &call.path);
    if (e == NULL) {
        e = make_body(q, &body);
        call.body = body;
    }
    if (e == NULL) {
        e = hint(vault_auth_do(look->auth, &look->api, &call, NULL, &answer), q);
    }
    if (e == NULL) {
        e = read_answer(answer.root, look->request->reply);
    }
    return err_add(e, "sign with %s/sign/%s", q->mount, q->name);
}

struct err *vault_serve_revoke(struct vault_look *look)
{
    struct err *e = vault_auth_log_in(look->auth, &look->api);

    return e != NULL ? e : vault_auth_revoke(look->auth, &look->api);
}
