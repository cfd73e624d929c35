/*
 * A signer's vault: how it is reached, and how the agent logs in to it. One table says which keys each
 * login method has and needs, so that a key of another method is an error with its place instead of
 * something that is silently ignored.
 *
 * Secrets never stand in the file. What looks like one, in a key that is none or where a file's name
 * belongs, is refused with the right way to do it, and is not repeated.
 */
#include <stdio.h>

#include "daemon/config_check.h"
#include "vault/vault.h"

#define BIT(login) (1U << (login))

enum {
    TOKEN = BIT(VAULT_LOGIN_TOKEN),
    APPROLE = BIT(VAULT_LOGIN_APPROLE),
    CERT = BIT(VAULT_LOGIN_CERT),
    JWT = BIT(VAULT_LOGIN_JWT),
    KUBERNETES = BIT(VAULT_LOGIN_KUBERNETES),
    USERPASS = BIT(VAULT_LOGIN_USERPASS),
    TOKEN_KEY = BIT(VAULT_LOGIN_TOKEN_KEY),
    BUT_TOKEN = APPROLE | CERT | JWT | KUBERNETES | USERPASS | TOKEN_KEY,
};

enum form { FORM_TEXT, FORM_FILE, FORM_VARIABLE, FORM_URI, FORM_FLAG };

static const struct rule {
    const char *key;
    size_t at;
    enum form form;
    unsigned may, must; /* methods */
} rules[] = {
    {"mount", offsetof(struct config_login, mount), FORM_TEXT, BUT_TOKEN, 0},
    {"role", offsetof(struct config_login, role), FORM_TEXT, CERT | JWT | KUBERNETES | TOKEN_KEY,
     JWT | KUBERNETES | TOKEN_KEY},
    {"token-file", offsetof(struct config_login, token_file), FORM_FILE, TOKEN, 0},
    {"token-environment", offsetof(struct config_login, token_environment), FORM_VARIABLE, TOKEN,
     0},
    {"token-wrapped", offsetof(struct config_login, token_wrapped), FORM_FLAG, TOKEN, 0},
    {"role-id-file", offsetof(struct config_login, role_id_file), FORM_FILE, APPROLE, APPROLE},
    {"secret-id-file", offsetof(struct config_login, secret_id_file), FORM_FILE, APPROLE, APPROLE},
    {"secret-id-wrapped", offsetof(struct config_login, secret_id_wrapped), FORM_FLAG, APPROLE, 0},
    {"wrapping-path", offsetof(struct config_login, wrapping_path), FORM_TEXT, TOKEN | APPROLE, 0},
    {"jwt-file", offsetof(struct config_login, jwt_file), FORM_FILE, JWT | KUBERNETES, JWT},
    {"user", offsetof(struct config_login, user), FORM_TEXT, USERPASS, USERPASS},
    {"password-file", offsetof(struct config_login, password_file), FORM_FILE, USERPASS, USERPASS},
    {"key", offsetof(struct config_login, key), FORM_URI, CERT | TOKEN_KEY, CERT | TOKEN_KEY},
    {"share-with-ssh", offsetof(struct config_login, share_with_ssh), FORM_FLAG, CERT | TOKEN_KEY,
     0},
    {"pki-mount", offsetof(struct config_login, pki_mount), FORM_TEXT, CERT, 0},
    {"pki-role", offsetof(struct config_login, pki_role), FORM_TEXT, CERT, 0},
    {"audience", offsetof(struct config_login, audience), FORM_TEXT, TOKEN_KEY, 0},
    {"issuer", offsetof(struct config_login, issuer), FORM_TEXT, TOKEN_KEY, 0},
    {"subject", offsetof(struct config_login, subject), FORM_TEXT, TOKEN_KEY, 0},
    {"revoke-on-stop", offsetof(struct config_login, revoke_on_stop), FORM_FLAG, BUT_TOKEN, 0},
};

/* Keys that would hold a secret, and what belongs in their place. */
static const struct {
    const char *key, *instead;
} values[] = {
    {"token", "token-file or token-environment"},
    {"role-id", "role-id-file"},
    {"secret-id", "secret-id-file"},
    {"jwt", "jwt-file"},
    {"password", "password-file"},
};

static const char *text_at(const struct config_login *l, size_t at)
{
    return *(char *const *)(const void *)((const char *)l + at);
}

static bool is_given(const struct config_login *l, const struct rule *r)
{
    return r->form == FORM_FLAG ? *(const bool *)((const char *)l + r->at)
                                : text_at(l, r->at) != NULL;
}

/* "jwt, kubernetes" */
static const char *methods_of(unsigned mask, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < VAULT_LOGINS; i++) {
        if ((mask & BIT(i)) != 0 && len < size) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "",
                                    vault_login_name((enum vault_login)i));
        }
    }
    return out;
}

static bool is_variable(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return text[strspn(text, letters)] == '\0' && (text[0] < '0' || text[0] > '9');
}

static struct err *check_form(const struct config_place *at, const char *key, enum form form,
                              const char *text)
{
    if (form == FORM_FILE && text[0] != '/') {
        return config_wrong(at, key,
                            "must be the absolute path of a file that holds it; the secret itself "
                            "does not belong here");
    }
    if (form == FORM_VARIABLE && !is_variable(text)) {
        return config_wrong(at, key,
                            "must be the name of a variable of the agent's environment; its value "
                            "does not belong here");
    }
    return form == FORM_URI ? config_check_uri(at, key, text) : NULL;
}

static struct err *check_rule(const struct config_place *at, const struct config_login *l,
                              enum vault_login method, const struct rule *r)
{
    char key[64], methods[128];

    snprintf(key, sizeof key, "vault.login.%s", r->key);
    if (!is_given(l, r)) {
        return (r->must & BIT(method)) == 0
                   ? NULL
                   : config_wrong(at, "vault.login", "method %s needs %s", l->method, r->key);
    }
    if ((r->may & BIT(method)) == 0) {
        return config_wrong(at, key, "is no key of method %s, but of %s", l->method,
                            methods_of(r->may, methods, sizeof methods));
    }
    return r->form == FORM_FLAG ? NULL : check_form(at, key, r->form, text_at(l, r->at));
}

struct err *config_login_hint(struct err *e)
{
    bool login = e != NULL && strstr(err_text(e), ".vault.login") != NULL;

    for (size_t i = 0; login && i < ARRAY_LEN(values); i++) {
        char words[64];

        snprintf(words, sizeof words, "unknown key '%s'", values[i].key);
        if (strstr(err_text(e), words) != NULL) {
            return err_add(e, "no secret belongs in this file: %s says where it is",
                           values[i].instead);
        }
    }
    return e;
}

static struct err *check_login(const struct config_place *at, const struct config_login *l)
{
    enum vault_login method;
    char methods[128];
    struct err *e = NULL;

    if (!vault_login_find(l->method, &method)) {
        return config_wrong(at, "vault.login.method", "'%s' is none of %s", l->method,
                            methods_of(TOKEN | BUT_TOKEN, methods, sizeof methods));
    }
    for (size_t i = 0; e == NULL && i < ARRAY_LEN(rules); i++) {
        e = check_rule(at, l, method, &rules[i]);
    }
    if (e == NULL && l->token_file != NULL && l->token_environment != NULL) {
        e = config_wrong(at, "vault.login",
                         "one of token-file and token-environment: they exclude each other");
    }
    if (e == NULL && l->wrapping_path != NULL && !l->token_wrapped && !l->secret_id_wrapped) {
        e = config_wrong(at, "vault.login.wrapping-path", "needs %s",
                         method == VAULT_LOGIN_TOKEN ? "token-wrapped" : "secret-id-wrapped");
    }
    return e;
}

static struct err *check_address(const struct config_place *at, const char *key, const char *url)
{
    return strncmp(url, "https://", 8) == 0
               ? NULL
               : config_wrong(at, key, "'%s' must start with https://", url);
}

struct err *config_check_vault(const struct config_place *at, const struct config_vault *v)
{
    struct err *e = config_check_duration(at, "vault.timeout", v->timeout);

    if (e == NULL) {
        e = check_address(at, "vault.address", v->address);
    }
    for (unsigned i = 0; e == NULL && i < v->addresses_count; i++) {
        e = check_address(at, "vault.addresses", v->addresses[i]);
    }
    if (e == NULL && v->ca_bundle != NULL && v->ca_bundle[0] != '/') {
        e = config_wrong(at, "vault.ca-bundle", "'%s' must be an absolute path", v->ca_bundle);
    }
    if (e == NULL && v->proxy != NULL && strchr(v->proxy, '@') != NULL) {
        e = config_wrong(at, "vault.proxy",
                         "holds a user name or password, which does not belong in this file");
    }
    return e != NULL ? e : check_login(at, &v->login);
}
