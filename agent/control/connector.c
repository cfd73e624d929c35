/*
 * Vault servers at work: the test, step by step while it runs, the SSH engines to pick from, and their
 * CAs' public keys. A signer of holdfast.yaml is asked by its name. A connector's server is asked with
 * the connector's own settings, logged in to for this one call, so that a connector is tested as it
 * stands in the registry, or in the body of one that is not stored, and not as the agent happens to
 * use it. The way there is: [secrets manager ->] connector -> certificate -> Vault; next() says what
 * is still missing.
 */
#include <stdlib.h>

#include "control/job.h"
#include "control/resources.h"

enum {
    CHECK_MS = 60 * 1000,
    LIST_MS = 30 * 1000,
    GRACE_MS = 5 * 1000,
    READ_MS = 10 * 1000,
    READ_AGAIN_MS = 100
};

const char *const control_connector_test_query[] = {"mount", "role", "principals", NULL};
const char *const control_connector_ca_query[] = {"mount", "issuer", NULL};

enum look_at { LOOK_TEST, LOOK_MOUNTS, LOOK_CA };

static const struct {
    const char *what;
    int64_t longest_ms;
} looks[] = {
    [LOOK_TEST] = {"test the connector", CHECK_MS},
    [LOOK_MOUNTS] = {"list the engines", LIST_MS},
    [LOOK_CA] = {"fetch the CA's key", LIST_MS},
};

struct look {
    struct control_job job;
    enum look_at at;
    char *signer; /* of holdfast.yaml; NULL: what the registry says */
    char *scope;  /* of what is asked for */
    enum registry_kind kind;
    json_t *manager, *connector, *certificate; /* specs, as they come */
    char *mount, *role, *principals, *issuer;
    uint64_t call;          /* of vault/; 0: none is open */
    struct vault *vault;    /* while it is */
    const char *failed;     /* first step that did */
    struct io_timer *again; /* while its login key is being read */
    struct mono read_until;
};

static void look_free(struct control_job *job)
{
    struct look *l = (struct look *)job;

    io_timer_free(&l->again);
    free(l->signer);
    free(l->scope);
    free(l->mount);
    free(l->role);
    free(l->principals);
    free(l->issuer);
    json_decref(l->manager);
    json_decref(l->connector);
    json_decref(l->certificate);
    free(l);
}

static void look_stop(struct control_job *job)
{
    struct look *l = (struct look *)job;

    io_timer_free(&l->again);
    if (l->call != 0) {
        vault_cancel(l->vault, l->call);
        l->call = 0;
    }
}

static json_t *facts_json(const struct vault_step *s)
{
    json_t *facts = json_object();

    for (size_t i = 0; i < s->facts_n; i++) {
        json_object_set_new(facts, s->facts[i].name, control_json_text(s->facts[i].value));
    }
    return facts;
}

static json_t *step_json(const struct vault_step *s)
{
    bool ok = s->state == VAULT_STEP_OK || s->state == VAULT_STEP_WARNING;
    json_t *v =
        json_pack("{s:s, s:b, s:s, s:o, s:I, s:o, s:o}", "step", vault_step_name(s->kind), "ok", ok,
                  "state", vault_step_state_name(s->state), "address",
                  control_json_text(s->address), "took_ms", (json_int_t)s->took_ms, "text",
                  control_json_text(s->text != NULL ? s->text : ""), "facts", facts_json(s));

    return s->error != NULL
               ? control_json_join(v, json_pack("{s:o}", "error", control_fault(s->error)))
               : v;
}

static json_t *end_json(const struct look *l, const struct err *e)
{
    json_t *v = json_pack("{s:b, s:o}", "done", 1, "failed",
                          control_json_text(e != NULL ? l->failed : NULL));

    return e != NULL ? control_json_join(v, json_pack("{s:o}", "error", control_fault(e))) : v;
}

static void on_step(void *arg, const struct vault_step *s)
{
    struct look *l = arg;

    if (l->failed == NULL && s->state == VAULT_STEP_FAILED) {
        l->failed = vault_step_name(s->kind);
    }
    if (!control_line(l->job.r, step_json(s))) {
        AUTO(err_free) struct err *e =
            err_new(ERR_LIMIT, "more than %d bytes were left unread", CONTROL_STREAM_MAX_BYTES);

        control_end_lines(l->job.r, end_json(l, e)); /* frees l */
    }
}

static void on_tested(void *arg, struct err *e)
{
    struct look *l = arg;

    l->call = 0;
    control_end_lines(l->job.r, end_json(l, e)); /* frees l */
    err_free(&e);
}

static void on_mounts(void *arg, struct err *e, const struct vault_mount *mounts, size_t n)
{
    struct look *l = arg;
    json_t *list = json_array();

    l->call = 0;
    for (size_t i = 0; i < n; i++) {
        control_json_add(list,
                         json_pack("{s:o, s:o, s:o}", "path", control_json_text(mounts[i].path),
                                   "type", control_json_text(mounts[i].type), "description",
                                   control_json_text(mounts[i].description)));
    }
    if (e != NULL) {
        json_decref(list);
        control_job_fail(&l->job, e); /* frees l */
    } else {
        control_answer(l->job.r, 200, json_pack("{s:o}", "mounts", list));
    }
}

/* Only what is a key and nothing else goes on to people, who put it into files that servers obey. */
static void on_ca_key(void *arg, struct err *e, const char *line)
{
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    AUTO(auto_free) char *clean = NULL;
    struct look *l = arg;

    l->call = 0;
    if (e == NULL) {
        e = err_recode(err_add(ssh_key_from_line(line, &key), "what Vault shows is no public key"),
                       ERR_PROTOCOL);
    }
    if (e == NULL && (clean = ssh_key_line(key, NULL)) == NULL) {
        e = err_nomem();
    }
    if (e != NULL) {
        control_job_fail(&l->job, e); /* frees l */
    } else {
        control_answer(l->job.r, 200, json_pack("{s:s}", "public_key", clean));
    }
}

static uint64_t start_call(struct look *l, const struct vault_target *target)
{
    struct mono until = mono_in(looks[l->at].longest_ms);
    struct vault_check check = {.target = *target,
                                .mount = l->mount,
                                .role = l->role,
                                .principals = l->principals,
                                .deadline = until};

    switch (l->at) {
    case LOOK_TEST:
        return vault_check(l->vault, &check, on_step, on_tested, l);
    case LOOK_MOUNTS:
        return vault_mounts(l->vault, target, "ssh", until, on_mounts, l);
    case LOOK_CA:
        return vault_ca_key(l->vault, target, l->mount, l->issuer, until, on_ca_key, l);
    }
    return 0;
}

/* A callback that comes within the call itself finds l->call 0 afterwards; l may be gone by then.
 * Errors are returned before the request has ended. */
static struct err *ask_vault(struct look *l, const struct vault_target *target)
{
    l->vault = control_deps_of(l->job.r)->vault;
    struct err *e = l->vault == NULL     ? err_new(ERR_UNSUPPORTED, "this agent talks to no Vault")
                    : l->at == LOOK_TEST ? control_start_lines(l->job.r)
                                         : NULL;

    if (e != NULL) {
        return e;
    }
    uint64_t call = start_call(l, target);

    if (call != 0) {
        l->call = call;
    }
    return NULL;
}

static void look_again(void *arg);

/* True: there is nothing to wait for, or no longer. */
static bool has_read(struct look *l, struct vault_conf *conf)
{
    const struct control_deps *d = control_deps_of(l->job.r);

    if (d->login_of == NULL || !d->login_of(d->arg, conf)) {
        return true;
    }
    if (l->again == NULL) {
        l->again = io_timer_new(d->loop, look_again, l);
        l->read_until = mono_in(READ_MS);
    }
    if (l->again == NULL || mono_passed(l->read_until)) {
        return true;
    }
    io_timer_set(l->again, mono_in(READ_AGAIN_MS));
    return false;
}

static struct err *look(struct look *l)
{
    const struct control_deps *d = control_deps_of(l->job.r);
    const json_t *login = json_object_get(l->connector, "login");
    const char *variable = json_string_value(json_object_get(login, "token_environment"));
    const struct secret *token =
        variable != NULL && d->secret_of != NULL ? d->secret_of(d->arg, variable) : NULL;
    AUTO(text_list_free) char **more = NULL;
    struct vault_conf conf;
    struct err *e = control_vault_conf(l->connector, l->certificate, token, &conf, &more);

    return e != NULL || !has_read(l, &conf) ? e
                                            : ask_vault(l, &(struct vault_target){.conf = &conf});
}

static void look_again(void *arg)
{
    struct look *l = arg;
    struct err *e = look(l);

    if (e != NULL) {
        control_job_fail(&l->job, e); /* frees l */
    }
}

static void on_found(void *arg, struct err *e, json_t *resource);

static struct err *fetch(struct look *l, enum registry_kind kind, const char *scope, const char *id)
{
    l->kind = kind;
    control_job_await(&l->job);
    registry_get(control_deps_of(l->job.r)->registry, kind, scope, id, on_found, l);
    return NULL;
}

/* A reference of one of the specs is followed; scopes go upwards from there. */
static struct err *follow(struct look *l, enum registry_kind kind, const json_t *spec,
                          const char *member)
{
    AUTO(auto_free) char *from = take(&l->scope);
    const char *reference = json_string_value(json_object_get(spec, member)), *id = NULL;
    struct err *e = registry_reference_resolve(from, reference, &l->scope, &id);

    return e != NULL ? e : fetch(l, kind, l->scope, id);
}

static bool has(const json_t *spec, const char *member)
{
    return json_is_string(json_object_get(spec, member));
}

static struct err *next(struct look *l)
{
    if (l->connector == NULL) {
        return has(l->manager, "connector")
                   ? follow(l, REGISTRY_CONNECTOR, l->manager, "connector")
                   : err_new(ERR_NOT_FOUND, "the secrets manager has no connector: mend it first");
    }
    if (l->certificate == NULL && has(l->connector, "certificate")) {
        return follow(l, REGISTRY_CERTIFICATE, l->connector, "certificate");
    }
    return look(l);
}

static void go_on(struct look *l, struct err *e)
{
    if (e == NULL) {
        e = next(l);
    }
    if (e != NULL) {
        control_job_fail(&l->job, e);
    }
}

/* A connector whose certificate was deleted by force must not be tried against the system's CAs. */
static struct err *broken(const json_t *resource)
{
    const json_t *why = json_array_get(json_object_get(resource, "broken"), 0);

    return why == NULL ? NULL
                       : err_new(ERR_BUSY, "%s is broken: %s",
                                 json_string_value(json_object_get(resource, "identifier")),
                                 json_is_string(why) ? json_string_value(why) : "mend it first");
}

static void on_found(void *arg, struct err *e, json_t *resource)
{
    struct look *l = arg;
    json_t **spec = l->kind == REGISTRY_SECRETS_MANAGER ? &l->manager
                    : l->kind == REGISTRY_CONNECTOR     ? &l->connector
                                                        : &l->certificate;

    if (!control_job_back(&l->job)) {
        err_free(&e);
        return;
    }
    if (e == NULL) {
        e = broken(resource);
    }
    if (e == NULL) {
        e = registry_allowed_check(registry_allowed(control_deps_of(l->job.r)->registry), l->kind,
                                   l->scope, json_object_get(resource, "spec"));
    }
    if (e == NULL) {
        *spec = json_incref(json_object_get(resource, "spec"));
    }
    go_on(l, e);
}

static void on_checked(void *arg, struct err *e, json_t *resource)
{
    struct look *l = arg;

    (void)resource;
    if (!control_job_back(&l->job)) {
        err_free(&e);
        return;
    }
    go_on(l, e);
}

static struct err *begin(struct control_request *r, enum look_at at, struct look **ret)
{
    struct look *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return err_nomem();
    }
    *l = (struct look){.job = {.stop = look_stop, .free = look_free},
                       .at = at,
                       .signer = text_copy(control_param(r, "signer")),
                       .scope = text_copy(control_param(r, "scope")),
                       .mount = text_copy(control_query(r, "mount")),
                       .role = text_copy(control_query(r, "role")),
                       .principals = text_copy(control_query(r, "principals")),
                       .issuer = text_copy(control_query(r, "issuer"))};
    struct err *e = l->scope == NULL || l->signer == NULL ? err_nomem()
                    : at == LOOK_CA && l->mount == NULL
                        ? err_new(ERR_INPUT, "?mount= is missing: the path of the SSH engine")
                        : NULL;

    if (e != NULL) {
        look_free(&l->job);
        return e;
    }
    e = control_job_start(&l->job, r, looks[at].longest_ms + GRACE_MS, looks[at].what);
    if (e == NULL) {
        *ret = l;
    }
    return e;
}

static struct err *begin_at(struct control_request *r, enum look_at at, enum registry_kind kind)
{
    struct look *l = NULL;
    struct registry *registry;
    struct err *e = control_registry_of(r, &registry);

    e = e == NULL ? begin(r, at, &l) : e;
    return e != NULL ? e : fetch(l, kind, l->scope, control_param(r, "id"));
}

struct err *control_connector_test(struct control_request *r)
{
    return begin_at(r, LOOK_TEST, REGISTRY_CONNECTOR);
}

struct err *control_connector_mounts(struct control_request *r)
{
    return begin_at(r, LOOK_MOUNTS, REGISTRY_CONNECTOR);
}

struct err *control_secrets_manager_mounts(struct control_request *r)
{
    return begin_at(r, LOOK_MOUNTS, REGISTRY_SECRETS_MANAGER);
}

struct err *control_connector_test_new(struct control_request *r)
{
    struct look *l = NULL;
    struct registry *registry;
    struct err *e = control_registry_of(r, &registry);

    e = e == NULL ? begin(r, LOOK_TEST, &l) : e;
    if (e != NULL) {
        return e;
    }
    l->connector = json_incref(control_value(r, "spec"));
    control_job_await(&l->job);
    registry_check_only(control_deps_of(r)->registry, REGISTRY_CONNECTOR, l->scope, control_body(r),
                        on_checked, l);
    return NULL;
}

struct err *control_connector_ca(struct control_request *r)
{
    return begin_at(r, LOOK_CA, REGISTRY_CONNECTOR);
}

/* --- signers of holdfast.yaml ------------------------------------------------------------------- */

static struct err *find_signer(const struct control_deps *d, const char *name)
{
    for (size_t i = 0; i < d->signers_n; i++) {
        if (!text_eq(d->signers[i]->name, name)) {
            continue;
        }
        return text_eq(d->signers[i]->kind, "vault")
                   ? NULL
                   : err_new(ERR_UNSUPPORTED, "the signer %s is built in: no server is behind it",
                             name);
    }
    return err_new(ERR_NOT_FOUND, "holdfast.yaml has no signer %s", name);
}

static struct err *begin_signer(struct control_request *r, enum look_at at)
{
    struct look *l = NULL;
    struct err *e = find_signer(control_deps_of(r), control_param(r, "signer"));

    e = e == NULL ? begin(r, at, &l) : e;
    return e != NULL ? e : ask_vault(l, &(struct vault_target){.name = l->signer});
}

struct err *control_signer_test(struct control_request *r)
{
    return begin_signer(r, LOOK_TEST);
}

struct err *control_signer_ca(struct control_request *r)
{
    return begin_signer(r, LOOK_CA);
}
