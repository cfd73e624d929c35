/*
 * One certificate: the request as the SSH engine wants it, and its answer. Whether the certificate is
 * what was asked for is for the agent to prove, which does not trust this process more than it must;
 * only which issuer signed is looked at here, for it takes Vault to know an issuer's key.
 *
 * Lists that the agent left open are left out, because to the engine an absent list means "as the
 * role says". A list of extensions that is a wish is asked for first; a role without it on its
 * allowed_extensions refuses, and is then asked as it gives by itself. A list that is no wish is never
 * asked for otherwise.
 */
#include "vault/sign.h"

#include <stdio.h>
#include <stdlib.h>

#include "vault/issuer.h"
#include "vault/memo.h"
#include "vault/url.h"

enum { CERT_LINE_MAX_BYTES = 96 * 1024 };

static struct err *join(char *const *principals, struct buf *out)
{
    for (size_t i = 0; principals != NULL && principals[i] != NULL; i++) {
        if (principals[i][0] == '\0' || strchr(principals[i], ',') != NULL) {
            AUTO(auto_free) char *safe = text_safe(view_cstr(principals[i]));

            return err_new(ERR_INPUT, "the principal \"%s\" is empty or holds a comma",
                           safe != NULL ? safe : "");
        }
        buf_put(out, ",", i > 0 ? 1 : 0);
        buf_put(out, principals[i], strlen(principals[i]));
    }
    if (out->len == 0) {
        return err_new(ERR_INPUT, "no principals: such a certificate is of no use to any server");
    }
    buf_put_u8(out, 0);
    return buf_check(out, "the principals");
}

static bool set(json_t *body, const char *name, const char *value)
{
    return value == NULL || json_object_set_new(body, name, json_string(value)) == 0;
}

static bool set_options(json_t *body, const char *name, const struct ssh_cert_option *list)
{
    if (list == NULL) {
        return true;
    }
    json_t *options = json_object();

    for (size_t i = 0; options != NULL && list[i].name != NULL; i++) {
        if (!set(options, list[i].name, list[i].value)) {
            json_decref(options);
            return false;
        }
    }
    return json_object_set_new(body, name, options) == 0;
}

static struct err *make_body(const struct vault_ask *ask, bool role_chooses, json_t **ret)
{
    AUTO(buf_deinit) struct buf principals;
    AUTO(vault_json_free) json_t *body = json_object();
    char ttl[32];

    buf_init(&principals, 0);
    struct err *e = join(ask->principals, &principals);

    if (e != NULL) {
        return e;
    }
    snprintf(ttl, sizeof ttl, "%llds", (long long)ask->ttl_s);
    if (body == NULL || !set(body, "public_key", ask->public_key) ||
        !set(body, "valid_principals", (const char *)principals.data) ||
        !set(body, "cert_type", ask->kind == SSH_CERT_HOST ? "host" : "user") ||
        !set(body, "ttl", ask->ttl_s > 0 ? ttl : NULL) || !set(body, "key_id", ask->key_id) ||
        !set_options(body, "critical_options", ask->critical) ||
        !set_options(body, "extensions", role_chooses ? NULL : ask->extensions)) {
        return err_new(ERR_INPUT, "a part of the request is not UTF-8 text");
    }
    *ret = take(&body);
    return NULL;
}

static struct err *make_path(const struct vault_ask *ask, struct buf *path, const char **ret)
{
    struct err *e = err_add(vault_url_path(path, ask->mount), "mount");

    if (e == NULL) {
        e = vault_url_path(path, "sign");
    }
    if (e == NULL) {
        e = err_add(vault_url_name(path, ask->role), "role");
    }
    return e != NULL ? e : vault_url_end(path, ret);
}

struct err *vault_sign_read(const json_t *root, struct vault_signed *ret)
{
    const char *request_id = json_string_value(json_object_get(root, "request_id"));
    const char *line = NULL;
    struct err *e = vault_json_text(json_object_get(root, "data"), "signed_key", &line);

    if (e != NULL) {
        return e;
    }
    if (strlen(line) > CERT_LINE_MAX_BYTES) {
        return err_new(ERR_PROTOCOL, "Vault's certificate is longer than %d bytes",
                       CERT_LINE_MAX_BYTES);
    }
    struct vault_signed s = {
        .cert_line = text_copy(line),
        .request_id = text_copy(request_id != NULL ? request_id : ""),
        .warnings = vault_api_warnings(root),
    };

    if (s.cert_line == NULL || s.request_id == NULL) {
        vault_signed_deinit(&s);
        return err_nomem();
    }
    *ret = s;
    return NULL;
}

void vault_signed_deinit(struct vault_signed *s)
{
    auto_free(&s->cert_line);
    auto_free(&s->request_id);
    auto_free(&s->warnings);
}

/* What to look at where Vault's words say what, but not where. */
static struct err *hint(struct err *e, const struct vault_ask *ask)
{
    if (vault_api_is_status(e, 404)) {
        return err_add(e, "is the SSH engine mounted at \"%s\"?", ask->mount);
    }
    if (vault_api_is_forbidden(e)) {
        return err_add(e, "the login's policy has to allow \"update\" there%s",
                       ask->extensions != NULL ? ", with the parameter \"extensions\"" : "");
    }
    return e;
}

static struct err *post(struct vault_auth *auth, const struct vault_api *api,
                        const struct vault_ask *ask, bool role_chooses,
                        struct vault_api_answer *ret)
{
    AUTO(buf_deinit) struct buf path;
    AUTO(vault_json_free) json_t *body = NULL;
    struct vault_api_call call = {.method = "POST"};

    buf_init(&path, 0);
    struct err *e = make_path(ask, &path, &call.path);

    if (e == NULL) {
        e = make_body(ask, role_chooses, &body);
        call.body = body;
    }
    return e != NULL ? e : hint(vault_auth_do(auth, api, &call, NULL, ret), ask);
}

/* OpenBao 2.7.2: 400 "extensions [permit-pty] are not on allowed list" */
static bool is_refused_choice(const struct err *e)
{
    return vault_api_is_status(e, 400) && strstr(err_text(e), "extensions [") != NULL &&
           strstr(err_text(e), "not on allowed list") != NULL;
}

static struct err *ask_role(struct vault_auth *auth, const struct vault_api *api,
                            const struct vault_ask *ask, struct vault_api_answer *ret,
                            bool *ret_role_chose)
{
    const enum vault_memo_kind kind = VAULT_MEMO_ROLE_CHOOSES;
    struct vault_memo *memo = api->link->memo;
    AUTO(auto_free) char *known =
        ask->role_may_choose ? vault_memo_get(memo, kind, ask->mount, ask->role) : NULL;
    struct err *e = post(auth, api, ask, known != NULL, ret);

    *ret_role_chose = known != NULL;
    if (ask->role_may_choose && known == NULL && is_refused_choice(e)) {
        err_free(&e);
        vault_memo_put(memo, kind, ask->mount, ask->role, "", VAULT_SIGN_CHOICE_MS);
        e = post(auth, api, ask, true, ret);
        *ret_role_chose = true;
    }
    return e;
}

struct err *vault_sign(struct vault_auth *auth, const struct vault_api *api,
                       const struct vault_ask *ask, struct vault_signed *ret)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    AUTO(vault_issuer_deinit) struct vault_issuer issuer = {0};
    AUTO(vault_signed_deinit) struct vault_signed s = {0};
    bool role_chose = false;
    struct err *e = ask->issuer_ref != NULL
                        ? vault_issuer_find(api, ask->mount, ask->issuer_ref, &issuer)
                        : NULL;

    if (e == NULL) {
        e = ask_role(auth, api, ask, &answer, &role_chose);
    }
    if (e == NULL) {
        e = vault_sign_read(answer.root, &s);
    }
    if (e == NULL && ask->issuer_ref != NULL) {
        e = vault_issuer_proves(&issuer, api, ask->role, s.cert_line);
    }
    if (e != NULL) {
        return err_add(e, "sign with %s/sign/%s", ask->mount, ask->role);
    }
    s.has_skew = answer.has_skew;
    s.skew_s = answer.skew_s;
    s.role_chose = role_chose;
    *ret = s;
    s = (struct vault_signed){0};
    return NULL;
}
