/*
 * A fresh certificate before a login: the SSH key's identity is renewed now, whatever its schedule
 * says, and the answer becomes the stream's first line. Only a key whose identity wants no certificate
 * goes without.
 *
 * Where the signer is away, an identity may still have a valid certificate of before. It is used, and
 * the line says so: whoever runs something on hosts is better served by that than by a refusal.
 *
 * Identities come and go with the registry while we wait. So none is kept: it is looked up by name
 * each time.
 */
#include "control/login.h"

#include <stdlib.h>

#include "control/resources.h"

enum { PATIENCE_MS = 3000, LOOK_AGAIN_MS = 20 };

static struct identity *find(const struct control_login *l)
{
    const struct control_deps *d = control_deps_of(l->job->r);

    if (l->name != NULL) {
        return identity_find(d->identities, l->name);
    }
    return d->identity_of != NULL ? d->identity_of(d->arg, l->scope, l->id) : NULL;
}

static struct err *gone(const struct control_login *l)
{
    return l->name != NULL
               ? err_new(ERR_NOT_FOUND, "no identity %s is configured", l->name)
               : err_new(
                     ERR_NOT_FOUND,
                     "SSH key %s of %s is no identity of this agent: it is not active, or broken",
                     l->id, l->scope);
}

/* "valid until ...", of the certificate that is going to be offered. */
static char *text_of(const struct identity *i)
{
    char until[WALL_TEXT_BYTES];

    for (size_t k = 0; k < identity_certs(i); k++) {
        const struct ssh_cert *held = identity_cert_current(identity_cert_at(i, k));
        uint64_t end_s = held != NULL ? ssh_cert_fields(held)->valid_before : 0;

        if (end_s == SSH_CERT_FOREVER) {
            return text_fmt("%s, valid without an end", ssh_cert_type_name(held));
        }
        if (end_s > 0 && end_s <= INT64_MAX) {
            return text_fmt("%s, valid until %s", ssh_cert_type_name(held),
                            wall_text((struct wall){(int64_t)end_s}, until));
        }
    }
    return text_copy("no certificate");
}

static json_t *line_of(const struct control_login *l, const struct identity *i, const struct err *e,
                       bool goes_on)
{
    AUTO(auto_free) char *held = i != NULL ? text_of(i) : NULL;
    AUTO(auto_free) char *text =
        text_fmt("%s%s", e != NULL && goes_on ? "no fresh one; going on with that of before: " : "",
                 goes_on && held != NULL ? held : "");
    json_t *v = json_pack("{s:s, s:b, s:I, s:o}", "step", "certificate", "ok", e == NULL, "took_ms",
                          (json_int_t)(mono_now().ms - l->begun.ms), "text",
                          control_json_text(text != NULL ? text : ""));

    return e != NULL ? control_json_join(v, json_pack("{s:o}", "error", control_fault(e))) : v;
}

/* @renewal is taken: what the renewal said. */
static void tell(struct control_login *l, struct err *renewal)
{
    AUTO(err_free) struct err *said = renewal;
    const struct identity *i = find(l);
    struct view key;
    AUTO(err_free) struct err *e = i != NULL ? control_only_key(i, &key) : gone(l);

    if (e == NULL) {
        buf_init(&l->only_key, SSH_BLOB_MAX_BYTES);
        buf_put(&l->only_key, key.p, key.len);
        e = buf_check(&l->only_key, "a certificate");
    }
    if (e != NULL && said != NULL) { /* the reason rather than its effect */
        err_free(&e);
        e = err_copy(said);
    }
    json_t *line = line_of(l, i, said != NULL ? said : e, e == NULL);

    if (!control_line(l->job->r, line) && e == NULL) {
        e = err_new(ERR_LIMIT, "more than %d bytes were left unread", CONTROL_STREAM_MAX_BYTES);
    }
    l->on_ready(l->job, e);
}

static void on_renewed(void *arg, struct err *e)
{
    struct control_login *l = arg;

    if (!control_job_back(l->job)) {
        err_free(&e);
        return;
    }
    tell(l, e);
}

static struct err *start(struct control_login *l)
{
    struct identity *i = find(l);
    struct err *e = i != NULL ? control_start_lines(l->job->r) : gone(l);

    if (e != NULL) {
        return e;
    }
    l->begun = mono_now();
    if (identity_certs(i) == 0) {
        tell(l, NULL);
        return NULL;
    }
    control_job_await(l->job);
    renew_now(control_deps_of(l->job->r)->renew, i, on_renewed, l);
    return NULL;
}

static struct err *take_key(struct control_login *l, const json_t *resource)
{
    const json_t *spec = json_object_get(resource, "spec");
    const json_t *port = json_object_get(spec, "port");

    l->scope = text_copy(json_string_value(json_object_get(resource, "scope")));
    l->id = text_copy(json_string_value(json_object_get(resource, "identifier")));
    l->user = text_copy(json_string_value(json_object_get(spec, "user_name")));
    l->port = port != NULL ? (unsigned)json_integer_value(port) : CONTROL_PORT_SSH;
    return l->scope != NULL && l->id != NULL && l->user != NULL ? NULL : err_nomem();
}

/* A key becomes an identity a moment after it was declared: whoever declares and uses it in one
 * breath waits that long. */
static void start_when_there(void *arg)
{
    struct control_login *l = arg;

    if (find(l) == NULL && !mono_passed(l->until)) {
        io_timer_set(l->patience, mono_in(LOOK_AGAIN_MS));
        return;
    }
    struct err *e = start(l);

    if (e != NULL) {
        control_job_fail(l->job, e);
    }
}

static struct err *start_soon(struct control_login *l)
{
    l->until = mono_in(PATIENCE_MS);
    l->patience = io_timer_new(control_deps_of(l->job->r)->loop, start_when_there, l);
    if (l->patience == NULL) {
        return err_nomem();
    }
    io_timer_set(l->patience, mono_now());
    return NULL;
}

static void on_resolved(void *arg, struct err *e, json_t *result)
{
    struct control_login *l = arg;

    if (!control_job_back(l->job)) {
        err_free(&e);
        return;
    }
    if (e == NULL) {
        e = take_key(l, json_object_get(result, "ssh_key"));
    }
    if (e == NULL) {
        e = start_soon(l);
    }
    if (e != NULL) {
        control_job_fail(l->job, e);
    }
}

void control_login_key(struct control_login *l, const char *scope, const char *reference)
{
    control_job_await(l->job);
    registry_resolve(control_deps_of(l->job->r)->registry, scope, reference, on_resolved, l);
}

struct err *control_login_identity(struct control_login *l, const char *name)
{
    l->name = text_copy(name);
    l->port = CONTROL_PORT_SSH;
    return l->name != NULL ? start(l) : err_nomem();
}

void control_login_deinit(struct control_login *l)
{
    io_timer_free(&l->patience);
    free(l->name);
    free(l->scope);
    free(l->id);
    free(l->user);
    buf_deinit(&l->only_key);
}
