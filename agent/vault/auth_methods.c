/*
 * The table of login methods, and what they share: reading a secret's file, sending a login, taking
 * the token out of its answer.
 *
 * Files are read afresh at each login and never kept: who replaces one (a sink, a kubelet, a person)
 * need not tell us. What a file holds goes into a header or into JSON, so it is looked at first; no
 * text here may show it.
 */
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/auth.h"

enum { TTL_MAX_S = 10 * 365 * 24 * 3600, ENTRY_MAX_BYTES = 4096 };

static const struct vault_auth_method *const methods[VAULT_LOGINS] = {
    [VAULT_LOGIN_TOKEN] = &vault_auth_token,
    [VAULT_LOGIN_APPROLE] = &vault_auth_approle,
    [VAULT_LOGIN_CERT] = &vault_auth_cert,
    [VAULT_LOGIN_JWT] = &vault_auth_jwt,
    [VAULT_LOGIN_KUBERNETES] = &vault_auth_kubernetes,
    [VAULT_LOGIN_USERPASS] = &vault_auth_userpass,
    [VAULT_LOGIN_TOKEN_KEY] = &vault_auth_token_key,
};

const struct vault_auth_method *vault_auth_method(enum vault_login login)
{
    return methods[login];
}

/* --- what they remember ------------------------------------------------------------------------- */

struct vault_auth_memory {
    void *of[ARRAY_LEN(methods)];
};

void vault_auth_memory_free(struct vault_auth_memory **mp)
{
    struct vault_auth_memory *m = take(mp);

    for (size_t i = 0; m != NULL && i < ARRAY_LEN(methods); i++) {
        if (m->of[i] != NULL) {
            methods[i]->free_memory(m->of[i]);
        }
    }
    free(m);
}

struct err *vault_auth_memory_new(struct vault_auth_memory **ret)
{
    AUTO(vault_auth_memory_free) struct vault_auth_memory *m = calloc(1, sizeof *m);

    for (size_t i = 0; m != NULL && i < ARRAY_LEN(methods); i++) {
        if (methods[i] != NULL && methods[i]->new_memory != NULL &&
            (m->of[i] = methods[i]->new_memory()) == NULL) {
            return err_nomem();
        }
    }
    *ret = take(&m);
    return *ret != NULL ? NULL : err_nomem();
}

void *vault_auth_memory_of(const struct vault_auth_memory *m, enum vault_login login)
{
    return m->of[login];
}

/* --- files -------------------------------------------------------------------------------------- */

static bool is_one_line(const struct secret *s, bool with_spaces)
{
    struct view v = secret_view(s);

    for (size_t i = 0; i < v.len; i++) {
        bool fits = with_spaces ? v.p[i] >= 0x20 && v.p[i] != 0x7f : v.p[i] > 0x20 && v.p[i] < 0x7f;

        if (!fits) {
            return false;
        }
    }
    return v.len > 0;
}

struct err *vault_auth_secret(const char *file, const struct secret *value, struct secret **ret)
{
    AUTO(secret_free) struct secret *s = NULL;
    struct err *e = NULL;

    if (file != NULL) {
        e = secret_from_file(file, &s);
    } else if (value == NULL) {
        e = err_new(ERR_INPUT, "neither a file nor a value is configured");
    } else if ((s = secret_copy(value)) == NULL) {
        e = err_nomem();
    }
    if (e == NULL && !is_one_line(s, false)) {
        e = err_new(ERR_INPUT, "%s is not one line of printable characters without spaces",
                    file != NULL ? file : "the value");
    }
    if (e == NULL) {
        *ret = take(&s);
    }
    return e;
}

struct err *vault_auth_password(const char *file, struct secret **ret)
{
    AUTO(secret_free) struct secret *s = NULL;
    struct err *e = file != NULL ? secret_from_file(file, &s)
                                 : err_new(ERR_INPUT, "no password file is configured");

    if (e == NULL && !is_one_line(s, true)) {
        e = err_new(ERR_INPUT, "%s is not one line of printable characters", file);
    }
    if (e == NULL) {
        *ret = take(&s);
    }
    return e;
}

char *vault_auth_home_token(void)
{
    const char *home = getenv("HOME");
    struct passwd *user = NULL, found;
    char text[ENTRY_MAX_BYTES];

    if (home == NULL || home[0] != '/') {
        getpwuid_r(geteuid(), &found, text, sizeof text, &user); /* workers may come at once */
        home = user != NULL ? user->pw_dir : NULL;
    }
    return home != NULL ? text_fmt("%s/.vault-token", home) : NULL;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    return (h ^ v) * 0x100000001b3U; /* FNV-1a's prime; nobody gains by a collision */
}

static uint64_t stamp_of(uint64_t h, const char *file)
{
    struct stat st;

    if (file == NULL || stat(file, &st) < 0) {
        return mix(h, 0);
    }
    h = mix(h, (uint64_t)st.st_mtim.tv_sec);
    h = mix(h, (uint64_t)st.st_mtim.tv_nsec);
    h = mix(h, (uint64_t)st.st_size);
    return mix(h, (uint64_t)st.st_ino);
}

uint64_t vault_auth_stamp(const struct vault_conf *server)
{
    AUTO(auto_free) char *home = vault_auth_home_token();
    const char *const files[] = {server->token_file, server->role_id_file,  server->secret_id_file,
                                 server->jwt_file,   server->password_file, home};
    uint64_t h = 0xcbf29ce484222325U;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        h = stamp_of(h, files[i]);
    }
    return h;
}

/* --- the exchange ------------------------------------------------------------------------------- */

void vault_lease_deinit(struct vault_lease *l)
{
    secret_free(&l->token);
    auto_free(&l->warnings);
}

static int64_t number_at(const json_t *object, const char *name, int64_t max)
{
    json_int_t n = json_integer_value(json_object_get(object, name));

    return n < 0 ? 0 : n < max ? n : max;
}

bool vault_auth_has_root(const json_t *object)
{
    const json_t *policies = json_object_get(object, "policies");

    for (size_t i = 0; i < json_array_size(policies); i++) {
        if (text_eq(json_string_value(json_array_get(policies, i)), "root")) {
            return true;
        }
    }
    return false;
}

struct err *vault_auth_read_lease(const json_t *root, struct vault_lease *ret)
{
    const json_t *auth = json_object_get(root, "auth");
    const char *text = NULL;
    struct err *e = vault_json_text(auth, "client_token", &text);
    AUTO(secret_free) struct secret *token = NULL;

    if (e == NULL) {
        e = secret_new(view_cstr(text), &token);
    }
    if (e == NULL && !is_one_line(token, false)) {
        e = err_new(ERR_PROTOCOL, "Vault's answer holds a token that cannot be one");
    }
    if (e == NULL) {
        *ret = (struct vault_lease){
            .token = take(&token),
            .ttl_s = number_at(auth, "lease_duration", TTL_MAX_S),
            .uses = number_at(auth, "num_uses", INT32_MAX),
            .renewable = json_is_true(json_object_get(auth, "renewable")),
            .is_root = vault_auth_has_root(auth),
            .is_ours = true,
            .is_batch = text_eq(json_string_value(json_object_get(auth, "token_type")), "batch"),
            .warnings = vault_api_warnings(root),
        };
    }
    return e;
}

struct err *vault_auth_post(const struct vault_api *api, const char *user, const json_t *body,
                            struct vault_lease *ret)
{
    const char *const parts[] = {"auth", api->server->login_mount, "login", user, NULL};
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_api_call call = {
        .method = "POST", .body = body, .proves_key = api->server->login == VAULT_LOGIN_CERT};

    if (api->server->login_mount == NULL) {
        return err_new(ERR_INPUT, "no mount of the login is configured");
    }
    if (body == NULL) {
        return err_new(ERR_INPUT, "what the login sends is not UTF-8 text");
    }
    struct err *e = vault_api_ask(api, &call, parts, &answer);

    return e != NULL ? e : vault_auth_read_lease(answer.root, ret);
}

struct err *vault_auth_post_jwt(const struct vault_api *api, const struct secret *jwt,
                                struct vault_lease *ret)
{
    const char *role = api->server->role;
    AUTO(vault_json_free) json_t *body = json_pack("{s:s}", "jwt", secret_text(jwt));

    if (role != NULL && json_object_set_new(body, "role", json_string(role)) < 0) {
        vault_json_free(&body);
    }
    return vault_auth_post(api, NULL, body, ret);
}
