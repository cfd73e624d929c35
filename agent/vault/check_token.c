/*
 * The login and its token, as steps of a check. The token is asked about itself, which most policies
 * allow; one that does not is no worse for signing, and is told as a warning.
 */
#include <stdio.h>

#include "vault/check.h"

void vault_check_login(struct vault_look *look, struct vault_report *r)
{
    const char *method = vault_auth_name(look->auth);

    vault_report_fact(r, "method", method);
    r->error = vault_auth_log_in(look->auth, &look->api);
    AUTO(auto_free) char *warnings = r->error == NULL ? vault_auth_warnings(look->auth) : NULL;

    r->state = warnings != NULL ? VAULT_STEP_WARNING : VAULT_STEP_OK;
    snprintf(r->text, sizeof r->text, "logged in with %s%s%s", method,
             warnings != NULL ? "; Vault warns: " : "", warnings != NULL ? warnings : "");
}

/* "a,b" into @out; true when one of them is "root". */
static bool join_policies(const json_t *policies, char *out, size_t size)
{
    bool root = false;
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(policies); i++) {
        const char *name = json_string_value(json_array_get(policies, i));

        if (name != NULL && len + strlen(name) + 2 < size) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? "," : "", name);
            root = root || strcmp(name, "root") == 0;
        }
    }
    return root;
}

/* A token that others made is theirs to replace: when, they have to be told. */
static const char *end_of(const struct vault_look *look, int64_t ttl_s)
{
    if (ttl_s == 0) {
        return "does not expire";
    }
    return vault_auth_is_ours(look->auth) ? "ends in " : "was handed over and ends in ";
}

static void report_life(const struct vault_look *look, int64_t ttl_s, bool renewable, bool root,
                        struct vault_report *r)
{
    const struct vault_conf *c = look->configured;
    char ttl[TEXT_DURATION_BYTES];
    size_t len = strlen(r->text);
    const char *warning = NULL;

    if (root) {
        warning = "; a root token: it may do everything, and its renewal interval has to stay 0";
    } else if (c->renew_by_interval && c->renew_interval_s > 0 && ttl_s > 0 && !renewable) {
        warning = "; a renewal interval is configured, but this token cannot be renewed";
    } else if (c->renew_by_interval && ttl_s > 0 && renewable && c->renew_interval_s >= ttl_s) {
        warning = "; it ends before the renewal interval is over";
    }
    r->state = warning != NULL ? VAULT_STEP_WARNING : VAULT_STEP_OK;
    snprintf(r->text + len, sizeof r->text - len, "; %s%s%s%s", end_of(look, ttl_s),
             ttl_s > 0 ? text_duration_of(ttl_s, ttl) : "", renewable ? ", can be renewed" : "",
             warning != NULL ? warning : "");
}

static void report_token(const struct vault_look *look, const json_t *data, struct vault_report *r)
{
    char policies[512];
    bool root = join_policies(json_object_get(data, "policies"), policies, sizeof policies);
    bool renewable = json_is_true(json_object_get(data, "renewable"));
    int64_t ttl_s = json_integer_value(json_object_get(data, "ttl"));
    int64_t period_s = json_integer_value(json_object_get(data, "period"));
    int64_t max_s = json_integer_value(json_object_get(data, "explicit_max_ttl"));
    int64_t uses = json_integer_value(json_object_get(data, "num_uses"));

    vault_report_fact(r, "policies", policies);
    vault_report_number(r, "ttl_s", ttl_s);
    vault_report_fact(r, "renewable", renewable ? "true" : "false");
    vault_report_fact(r, "root", root ? "true" : "false");
    vault_report_fact(r, "type", json_string_value(json_object_get(data, "type")));
    if (period_s > 0) {
        vault_report_number(r, "period_s", period_s);
    }
    if (max_s > 0) {
        vault_report_number(r, "explicit_max_ttl_s", max_s);
    }
    if (uses > 0) {
        vault_report_number(r, "num_uses", uses);
    }
    snprintf(r->text, sizeof r->text, "policies %s", policies);
    report_life(look, ttl_s, renewable, root, r);
    r->error = root ? vault_auth_root_rule(look->configured) : NULL;
}

void vault_check_token(struct vault_look *look, struct vault_report *r)
{
    static const char *const parts[] = {"auth/token/lookup-self", NULL};
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};

    r->error = vault_auth_do(look->auth, &look->api, &(struct vault_api_call){.method = "GET"},
                             parts, &answer);
    if (vault_api_is_forbidden(r->error)) {
        err_free(&r->error);
        r->state = VAULT_STEP_WARNING;
        snprintf(r->text, sizeof r->text,
                 "not known: the policy does not let the token look at itself (or it is not good)");
    } else if (r->error == NULL) {
        report_token(look, json_object_get(answer.root, "data"), r);
    }
}
