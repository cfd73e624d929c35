/*
 * A server's configuration as both programs hold it: copied, checked, written to a frame and read
 * from one.
 *
 * Its strings are listed once, in conf_texts[]; copying, freeing, writing and reading walk that list,
 * so a new setting is one more row. A string that may be absent travels as a byte that says so, then
 * the string.
 */
#include "vault/conf.h"

#include <stdlib.h>

static const size_t conf_texts[] = {
    offsetof(struct vault_conf, name),
    offsetof(struct vault_conf, address),
    offsetof(struct vault_conf, server_name),
    offsetof(struct vault_conf, namespace_),
    offsetof(struct vault_conf, ca_bundle),
    offsetof(struct vault_conf, ca_pem),
    offsetof(struct vault_conf, login_mount),
    offsetof(struct vault_conf, token_file),
    offsetof(struct vault_conf, role_id_file),
    offsetof(struct vault_conf, secret_id_file),
    offsetof(struct vault_conf, wrapping_path),
    offsetof(struct vault_conf, role),
    offsetof(struct vault_conf, jwt_file),
    offsetof(struct vault_conf, user),
    offsetof(struct vault_conf, password_file),
    offsetof(struct vault_conf, client_key),
    offsetof(struct vault_conf, client_public_pem),
    offsetof(struct vault_conf, client_problem),
    offsetof(struct vault_conf, client_cert_pem),
    offsetof(struct vault_conf, pki_mount),
    offsetof(struct vault_conf, pki_role),
    offsetof(struct vault_conf, jwt_issuer),
    offsetof(struct vault_conf, jwt_subject),
    offsetof(struct vault_conf, jwt_audience),
    offsetof(struct vault_conf, proxy),
    offsetof(struct vault_conf, no_proxy),
};

static const char *const login_names[VAULT_LOGINS] = {
    [VAULT_LOGIN_TOKEN] = "token",
    [VAULT_LOGIN_APPROLE] = "approle",
    [VAULT_LOGIN_CERT] = "cert",
    [VAULT_LOGIN_JWT] = "jwt",
    [VAULT_LOGIN_KUBERNETES] = "kubernetes",
    [VAULT_LOGIN_USERPASS] = "userpass",
    [VAULT_LOGIN_TOKEN_KEY] = "token-key",
};

const char *vault_login_name(enum vault_login login)
{
    return login_names[login];
}

bool vault_login_find(const char *word, enum vault_login *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(login_names); i++) {
        if (text_eq(word, login_names[i])) {
            *ret = (enum vault_login)i;
            return true;
        }
    }
    return false;
}

/* --- optional strings ------------------------------------------------------------------------ */

void vault_put_maybe(struct buf *b, const char *s)
{
    buf_put_bool(b, s != NULL);
    if (s != NULL) {
        buf_put_cstr(b, s);
    }
}

char *vault_get_text(struct rd *r)
{
    char *s = rd_cstr(r);

    if (s == NULL) {
        rd_fail(r); /* out of memory must not look like an absent string */
    }
    return s;
}

char *vault_get_maybe(struct rd *r)
{
    return rd_bool(r) ? vault_get_text(r) : NULL;
}

/* --- in memory ------------------------------------------------------------------------------- */

static const char **text_at(struct vault_conf *c, size_t i)
{
    return (const char **)(void *)((char *)c + conf_texts[i]);
}

void vault_conf_deinit(struct vault_conf *c)
{
    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        free((char *)*text_at(c, i));
    }
    text_list_free((char ***)&c->addresses);
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
    copy.addresses = text_list_copy(from->addresses);
    copy.token = secret_copy(from->token);
    if (!whole || (from->addresses != NULL && copy.addresses == NULL) ||
        (from->token != NULL && copy.token == NULL)) {
        vault_conf_deinit(&copy);
        return err_nomem();
    }
    *ret = copy;
    return NULL;
}

size_t vault_conf_addresses(const struct vault_conf *c)
{
    return 1 + (c->addresses != NULL ? text_list_len(c->addresses) : 0);
}

const char *vault_conf_address(const struct vault_conf *c, size_t i)
{
    i %= vault_conf_addresses(c);
    return i == 0 ? c->address : c->addresses[i - 1];
}

struct err *vault_conf_check(const struct vault_conf *c)
{
    if (c->name == NULL || c->name[0] == '\0' || c->address == NULL || c->address[0] == '\0') {
        return err_new(ERR_INPUT, "a Vault server needs a name and an address");
    }
    if (c->ca_bundle != NULL && c->ca_pem != NULL) {
        return err_new(ERR_INPUT, "%s: a CA bundle and a CA certificate: one of them only",
                       c->name);
    }
    if (vault_conf_addresses(c) > VAULT_ADDRESSES_MAX) {
        return err_new(ERR_LIMIT, "%s: %zu addresses, at most %d are possible", c->name,
                       vault_conf_addresses(c), VAULT_ADDRESSES_MAX);
    }
    if (c->request_timeout_ms < 0 || c->renew_interval_s < 0 || c->renew_interval_s > INT32_MAX) {
        return err_new(ERR_INPUT, "%s: a time below 0, or too long", c->name);
    }
    if ((unsigned)c->login >= VAULT_LOGINS) {
        return err_new(ERR_INPUT, "%s: no way to log in has number %u", c->name,
                       (unsigned)c->login);
    }
    return NULL;
}

/* --- in a frame ------------------------------------------------------------------------------ */

void vault_conf_put(struct buf *b, const struct vault_conf *conf)
{
    struct vault_conf c = *conf;
    size_t more = vault_conf_addresses(&c) - 1;

    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        vault_put_maybe(b, *text_at(&c, i));
    }
    buf_put_u32(b, (uint32_t)more);
    for (size_t i = 0; i < more; i++) {
        buf_put_cstr(b, c.addresses[i]);
    }
    buf_put_u8(b, (uint8_t)c.login);
    buf_put_bool(b, c.token_wrapped);
    buf_put_bool(b, c.secret_id_wrapped);
    buf_put_bool(b, c.revoke_on_stop);
    buf_put_bool(b, c.client_problem_passes);
    buf_put_bool(b, c.renew_by_interval);
    buf_put_u64(b, (uint64_t)c.request_timeout_ms);
    buf_put_u64(b, (uint64_t)c.renew_interval_s);
    buf_put_string(b, c.token != NULL ? secret_view(c.token) : view_of(NULL, 0));
}

static char **get_addresses(struct rd *r)
{
    uint32_t n = rd_u32(r);
    char **list = NULL;

    if (n >= VAULT_ADDRESSES_MAX) {
        rd_fail(r);
    }
    for (uint32_t i = 0; i < n && !rd_failed(r); i++) {
        AUTO(auto_free) char *address = vault_get_text(r);

        if (address != NULL && !text_list_add(&list, address)) {
            rd_fail(r);
        }
    }
    return list;
}

static struct err *get_all(struct rd *r, struct vault_conf *c)
{
    for (size_t i = 0; i < ARRAY_LEN(conf_texts); i++) {
        *text_at(c, i) = vault_get_maybe(r);
    }
    c->addresses = get_addresses(r);
    uint8_t login = rd_u8(r);

    c->login = (enum vault_login)login;
    c->token_wrapped = rd_bool(r);
    c->secret_id_wrapped = rd_bool(r);
    c->revoke_on_stop = rd_bool(r);
    c->client_problem_passes = rd_bool(r);
    c->renew_by_interval = rd_bool(r);
    c->request_timeout_ms = (int64_t)rd_u64(r);
    c->renew_interval_s = (int64_t)rd_u64(r);
    struct view token = rd_string(r);

    if (rd_failed(r) || login >= VAULT_LOGINS) {
        rd_fail(r);
        return err_new(ERR_PROTOCOL, "malformed Vault configuration in a frame");
    }
    struct err *e = vault_conf_check(c);

    return e == NULL && token.len > 0 ? secret_new(token, (struct secret **)&c->token) : e;
}

struct err *vault_conf_get(struct rd *r, struct vault_conf *ret)
{
    struct vault_conf c = {0};
    struct err *e = get_all(r, &c);

    if (e != NULL) {
        vault_conf_deinit(&c);
        return e;
    }
    *ret = c;
    return NULL;
}
