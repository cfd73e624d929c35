/*
 * Enrolling and certifying: steps in lines while they happen, and at the end what is to be done next
 * where one failed. The one-time token is wiped out of the request as soon as it is read.
 */
#include <stdlib.h>

#include "control/job.h"
#include "control/resources.h"

enum { GRACE_MS = 5 * 1000, TTL_MAX_S = 366 * 86400, PEM_MAX_BYTES = 60 * 1024, RSA_BITS = 3072 };

#define COMMON_MEMBERS                                                                             \
    {"signer", CONTROL_TEXT, true, 1, 136}, {"pki_mount", CONTROL_TEXT, false, 1, 255},            \
        {"pki_role", CONTROL_TEXT, false, 1, 255},                                                 \
        {"common_name", CONTROL_TEXT, true, 1, ENROLL_COMMON_NAME_MAX_BYTES},                      \
        {"alt_names", CONTROL_LIST, false, 0, ENROLL_NAMES_MAX},                                   \
        {"ttl_s", CONTROL_NUMBER, false, 60, TTL_MAX_S},                                           \
    {                                                                                              \
        "ca_pem", CONTROL_TEXT, false, 1, PEM_MAX_BYTES                                            \
    }

const struct control_member control_enroll_body[] = {
    COMMON_MEMBERS,
    {"scope", CONTROL_TEXT, false, 1, 512},
    {"key_type", CONTROL_TEXT, false, 1, 16},
    {"bits", CONTROL_NUMBER, false, 2048, 4096},
    {"allow_extractable", CONTROL_BOOL, false, 0, 0},
    {"one_time_token", CONTROL_TEXT, false, 1, 4096},
    {"wrapping_path", CONTROL_TEXT, false, 1, 512},
    {"renew", CONTROL_BOOL, false, 0, 0},
    {NULL, CONTROL_TEXT, false, 0, 0},
};
const struct control_member control_key_certify_body[] = {
    COMMON_MEMBERS,
    {NULL, CONTROL_TEXT, false, 0, 0},
};

struct task {
    struct control_job job;
    struct enroll *enroll;
};

static void task_stop(struct control_job *job)
{
    enroll_free(&((struct task *)job)->enroll);
}

static void task_free(struct control_job *job)
{
    task_stop(job);
    free(job);
}

static json_t *step_json(const struct enroll_step *s)
{
    bool ok = s->state != VAULT_STEP_FAILED;
    json_t *v = json_pack("{s:s, s:b, s:s, s:I, s:o}", "step", s->name, "ok", ok, "state",
                          vault_step_state_name(s->state), "took_ms", (json_int_t)s->took_ms,
                          "text", control_json_text(s->text != NULL ? s->text : ""));

    return s->error != NULL
               ? control_json_join(v, json_pack("{s:o}", "error", control_fault(s->error)))
               : v;
}

static json_t *cert_json(const struct enroll_cert *c)
{
    char from[WALL_TEXT_BYTES], to[WALL_TEXT_BYTES];

    return c == NULL ? json_null()
                     : json_pack("{s:o, s:o, s:s, s:s, s:s, s:o}", "subject",
                                 control_json_text(c->subject), "issuer",
                                 control_json_text(c->issuer), "serial", c->serial, "not_before",
                                 wall_text(c->not_before, from), "not_after",
                                 wall_text(c->not_after, to), "pem", control_json_text(c->pem));
}

static json_t *end_json(const struct err *e, const struct enroll_outcome *o)
{
    json_t *v = json_pack("{s:b, s:o, s:o, s:b, s:b, s:o}", "done", 1, "failed",
                          control_json_text(o->failed), "next", control_json_text(o->next),
                          "is_new", o->is_new, "needs_one_time_token", o->needs_one_time,
                          "certificate", cert_json(o->cert));

    return e != NULL ? control_json_join(v, json_pack("{s:o}", "error", control_fault(e))) : v;
}

static void on_step(void *arg, const struct enroll_step *step)
{
    struct task *t = arg;

    if (!control_line(t->job.r, step_json(step))) {
        AUTO(err_free) struct err *e =
            err_new(ERR_LIMIT, "more than %d bytes were left unread", CONTROL_STREAM_MAX_BYTES);

        control_end_lines(t->job.r, end_json(e, &(struct enroll_outcome){0})); /* frees t */
    }
}

static void on_end(void *arg, struct err *e, const struct enroll_outcome *outcome)
{
    struct task *t = arg;
    const struct control_deps *d = control_deps_of(t->job.r);
    void (*changed)(void *arg) = outcome->is_new ? d->on_certificates : NULL;
    void *deps_arg = d->arg;

    control_end_lines(t->job.r, end_json(e, outcome)); /* frees t */
    err_free(&e);
    if (changed != NULL) {
        changed(deps_arg);
    }
}

static struct err *read_names(const struct control_request *r, char ***ret)
{
    const json_t *list = control_value(r, "alt_names");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name == NULL) {
            return err_new(ERR_INPUT, "/alt_names/%zu is no text", i);
        }
        if (!text_list_add(ret, name)) {
            return err_nomem();
        }
    }
    return NULL;
}

/* The server's name in vault/, if it is not the one that was said: of a connector. */
static struct err *read_connector(const struct control_request *r, char **ret)
{
    const struct control_deps *d = control_deps_of(r);
    const char *scope = control_text(r, "scope"), *name = control_text(r, "signer"), *id = NULL;
    AUTO(auto_free) char *of = NULL;

    if (scope == NULL) {
        return NULL;
    }
    struct err *e = registry_scope_check(scope);

    if (e == NULL) {
        e = registry_reference_resolve(scope, name, &of, &id);
    }
    if (e == NULL) {
        *ret = d->vault_of != NULL ? d->vault_of(d->arg, of, id) : NULL;
        e = *ret != NULL
                ? NULL
                : err_new(ERR_NOT_FOUND,
                          "no active connector %s of %s logs in with a certificate and "
                          "may write (`holdfast status` says where one could not be set up)",
                          id, of);
    }
    return e;
}

/* What the request leaves open the signer's login says. */
static void fill(struct control_request *r, const char *server, struct enroll_conf *c)
{
    const struct control_deps *d = control_deps_of(r);
    const struct vault_conf *login = d->vault != NULL ? vault_conf_of(d->vault, server) : NULL;
    const char *mount = control_text(r, "pki_mount"), *role = control_text(r, "pki_role");

    c->remote = d->remote;
    c->vault = d->vault;
    c->audit = d->audit;
    c->server = server;
    c->mount = mount != NULL ? mount : login != NULL ? login->pki_mount : NULL;
    c->role = role != NULL ? role : login != NULL ? login->pki_role : NULL;
    c->mount = c->mount != NULL ? c->mount : "pki";
    c->subject.common_name = control_text(r, "common_name");
    c->ttl_s = control_number(r, "ttl_s", 0);
    c->ca_pem = control_text(r, "ca_pem");
}

static struct err *start(struct control_request *r, struct enroll_conf *c, const char *what)
{
    AUTO(text_list_free) char **names = NULL;
    AUTO(auto_free) char *connector = NULL;
    struct task *t = calloc(1, sizeof *t);
    struct err *e = t == NULL ? err_nomem() : read_names(r, &names);

    e = e == NULL ? read_connector(r, &connector) : e;
    fill(r, connector != NULL ? connector : control_text(r, "signer"), c);
    c->subject.alt_names = names;
    if (e == NULL && c->vault == NULL) {
        e = err_new(ERR_UNSUPPORTED, "this agent talks to no Vault");
    }
    if (e == NULL && vault_conf_of(c->vault, c->server) == NULL) {
        e = err_new(ERR_INPUT, "no vault %s is under signers in holdfast.yaml", c->server);
    }
    if (e == NULL && c->role == NULL) {
        e = err_new(ERR_INPUT, "/pki_role is missing, and signer %s has no pki-role", c->server);
    }
    if (e == NULL) {
        e = enroll_new(c, on_step, on_end, t, &t->enroll);
        control_forget_body(r); /* all that is wanted of it is copied */
    }
    if (e != NULL) {
        free(t);
        return e;
    }
    t->job = (struct control_job){.stop = task_stop, .free = task_free};
    e = control_job_start(&t->job, r, ENROLL_MS + GRACE_MS, what);
    if (e == NULL) {
        e = control_start_lines(r);
    }
    if (e == NULL) {
        enroll_start(t->enroll);
    }
    return e;
}

static struct err *read_key(const struct control_request *r, struct enroll_conf *c)
{
    const char *type = control_text(r, "key_type");
    int64_t bits = control_number(r, "bits", 0);

    c->key_type = SSH_KEY_P256;
    if (type != NULL && !ssh_key_type_find(type, &c->key_type)) {
        return err_new(ERR_INPUT, "/key_type has to be p256, p384, p521, rsa or ed25519");
    }
    if (bits != 0 && (c->key_type != SSH_KEY_RSA || bits % 1024 != 0)) {
        return err_new(ERR_INPUT, "/bits is for rsa only: 2048, 3072 or 4096");
    }
    if (c->key_type == SSH_KEY_RSA) {
        c->key_bits = bits != 0 ? (unsigned)bits : RSA_BITS;
    }
    return NULL;
}

struct err *control_enroll(struct control_request *r)
{
    const char *one_time = control_text(r, "one_time_token");
    AUTO(secret_free) struct secret *token = NULL;
    struct enroll_conf c = {
        .allow_extractable = control_bool(r, "allow_extractable"),
        .wrapping_path = control_text(r, "wrapping_path"),
        .renew = control_bool(r, "renew"),
    };
    struct err *e = read_key(r, &c);

    if (e == NULL && one_time != NULL) {
        e = err_add(secret_new(view_cstr(one_time), &token), "/one_time_token");
    }
    c.one_time = token;
    return e != NULL ? e : start(r, &c, "enroll");
}

struct err *control_key_certify(struct control_request *r)
{
    struct enroll_conf c = {0};
    struct err *e = control_key_find(r, &c.key);

    return e != NULL ? e : start(r, &c, "certify a key");
}

static void say(void *arg, const char *text)
{
    control_warn(arg, "%s", text);
}

void control_enroll_warnings(const struct control_deps *d, json_t *warnings)
{
    enroll_keep_warnings(d->keep, say, warnings);
}
