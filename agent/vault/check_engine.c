/*
 * May this login have certificates signed by this role of this engine? Vault is asked three questions,
 * of which a careful policy allows the first only: what the token may do on the sign path, what kind of
 * engine is there, and what the role says. One clear no is enough to fail; what stays unknown is said.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vault/check.h"

struct findings {
    char *type;             /* of the engine; NULL: unknown */
    char capabilities[160]; /* "create,update"; "": unknown */
    bool may_sign;
};

/* "mount/sign/role" without slashes at the mount's ends; NULL: no memory */
static char *sign_path(const struct vault_query *q)
{
    const char *mount = q->mount + strspn(q->mount, "/");
    size_t len = strlen(mount);

    while (len > 0 && mount[len - 1] == '/') {
        len--;
    }
    return text_fmt("%.*s/sign/%s", (int)len, mount, q->name);
}

static void read_capabilities(const json_t *list, struct findings *f)
{
    size_t len = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name != NULL && len + strlen(name) + 2 < sizeof f->capabilities) {
            len += (size_t)snprintf(f->capabilities + len, sizeof f->capabilities - len, "%s%s",
                                    len > 0 ? "," : "", name);
            f->may_sign = f->may_sign || strcmp(name, "update") == 0 || strcmp(name, "root") == 0;
        }
    }
}

static struct err *ask_capabilities(struct vault_look *look, const char *path, struct findings *f)
{
    static const char *const parts[] = {"sys/capabilities-self", NULL};
    AUTO(vault_json_free) json_t *body = json_pack("{s:[s]}", "paths", path);
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_api_call call = {.method = "POST", .body = body, .may_be_refused = true};

    if (body == NULL) {
        return err_new(ERR_INPUT, "the mount or the role is not UTF-8 text");
    }
    struct err *e = vault_auth_do(look->auth, &look->api, &call, parts, &answer);

    if (vault_api_is_forbidden(e)) {
        err_free(&e);
        return NULL;
    }
    const json_t *data = json_object_get(answer.root, "data");

    read_capabilities(json_object_get(data, path), f);
    return e;
}

/* --- the role ----------------------------------------------------------------------------------- */

static struct err *ask_role(struct vault_look *look, struct vault_report *r)
{
    const struct vault_query *q = look->query;
    const char *const parts[] = {q->mount, "roles", q->name, NULL};
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_api_call call = {.method = "GET", .may_be_refused = true};
    struct err *e = vault_auth_do(look->auth, &look->api, &call, parts, &answer);

    if (e == NULL) {
        vault_role_report(json_object_get(answer.root, "data"), q->name, q->text, r);
    } else if (vault_api_is_forbidden(e)) {
        err_free(&e);
    } else if (vault_api_is_status(e, 404) && strstr(err_text(e), "Vault says") == NULL) {
        return err_add(e, "the engine at \"%s\" has no role \"%s\"", q->mount, q->name);
    } else if (vault_api_is_status(e, 404)) {
        return err_add(e, "is the SSH engine mounted at \"%s\"?", q->mount);
    }
    return e;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static struct err *judge(const struct vault_look *look, const char *path, const struct findings *f)
{
    if (f->type != NULL && strcmp(f->type, "ssh") != 0) {
        return err_new(ERR_INPUT, "the engine at \"%s\" is of type %s, not ssh", look->query->mount,
                       f->type);
    }
    if (path != NULL && f->capabilities[0] != '\0' && !f->may_sign) {
        return err_new(ERR_DENIED,
                       "the login's policy allows \"%s\" on %s; to sign it has to allow \"update\"",
                       f->capabilities, path);
    }
    return NULL;
}

static void say(const struct vault_look *look, const char *path, const struct findings *f,
                struct vault_report *r)
{
    vault_report_fact(r, "type", f->type);
    vault_report_fact(r, "capabilities", f->capabilities[0] != '\0' ? f->capabilities : NULL);
    if (path == NULL) {
        snprintf(r->text, sizeof r->text, "the engine at %s is %s", look->query->mount,
                 f->type != NULL ? "an SSH engine" : "one that this login may not see");
    } else if (f->may_sign) {
        snprintf(r->text, sizeof r->text, "may sign: %s is allowed on %s", f->capabilities, path);
    } else {
        snprintf(r->text, sizeof r->text,
                 "Vault does not let this login ask what it may do on %s; signing will show", path);
    }
    r->state = path == NULL ? (f->type != NULL ? VAULT_STEP_OK : VAULT_STEP_WARNING)
                            : (f->may_sign ? VAULT_STEP_OK : VAULT_STEP_WARNING);
}

static struct err *look_into(struct vault_look *look, const char *path, struct findings *f,
                             struct vault_report *r)
{
    struct err *e = vault_mount_type(look, look->query->mount, &f->type);

    if (e == NULL && path != NULL) {
        e = ask_capabilities(look, path, f);
    }
    if (e == NULL) {
        e = judge(look, path, f);
    }
    say(look, path, f, r);
    return e == NULL && path != NULL ? ask_role(look, r) : e;
}

void vault_check_engine(struct vault_look *look, struct vault_report *r)
{
    AUTO(auto_free) char *path = look->query->name != NULL ? sign_path(look->query) : NULL;
    struct findings f = {0};
    struct err *e =
        look->query->name != NULL && path == NULL ? err_nomem() : look_into(look, path, &f, r);

    if (e != NULL) {
        err_free(&r->error);
        r->error = e;
    }
    free(f.type);
}
