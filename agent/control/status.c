/*
 * Status: everything at once, for `holdfast status` and for monitoring. The other resources' files
 * say what their part looks like and what there is to warn of; this one puts it together.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/resources.h"

enum { SETTLE_MAX_S = 60, SETTLE_GRACE_S = 5, TRIES_MAX = 6 /* of a stock sshd */ };

const char *const control_status_query[] = {"settle", NULL};

void control_warn(json_t *warnings, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) >= 0) {
        control_json_add(warnings, control_json_text(text));
        free(text);
    }
    va_end(ap);
}

/* openapi.yaml's `helper`. */
static json_t *helper_json(const struct io_helper_status *h)
{
    return json_pack("{s:b, s:o, s:o, s:I, s:o, s:I, s:I}", "running", h->running, "pid",
                     control_json_int_or_null(h->running, h->pid), "since",
                     control_json_time(h->since), "restarts", (json_int_t)h->restarts, "last_error",
                     control_fault(h->last_error), "queued", (json_int_t)h->queued, "outstanding",
                     (json_int_t)h->outstanding);
}

static json_t *vault_helper_json(const struct control_deps *d)
{
    struct io_helper_status h;

    if (d->vault == NULL) {
        return json_null();
    }
    vault_helper_status(d->vault, &h);
    return helper_json(&h);
}

static json_t *agent_json(const struct control_deps *d)
{
    struct control_counters n = {0};

    if (d->counters != NULL) {
        d->counters(d->arg, &n);
    }
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "socket",
                     control_json_text(d->agent_socket), "open", (json_int_t)n.open, "connections",
                     (json_int_t)n.connections, "lists", (json_int_t)n.lists, "signs",
                     (json_int_t)n.signs, "refused", (json_int_t)n.refused, "failed",
                     (json_int_t)n.failed);
}

static const char *memory_name(enum secret_heap h)
{
    switch (h) {
    case SECRET_HEAP_LOCKED:
        return "locked";
    case SECRET_HEAP_NOT_LOCKED:
        return "not-locked";
    case SECRET_HEAP_ABSENT:
        return "absent";
    }
    return "absent";
}

static json_t *modules_json(const struct control_deps *d)
{
    json_t *modules = json_array();

    for (size_t i = 0; i < remote_modules(d->remote); i++) {
        struct remote_module m;

        remote_module_get(d->remote, i, &m);
        control_json_add(modules,
                         json_pack("{s:o, s:o, s:o, s:o}", "name", control_json_text(m.name),
                                   "path", control_json_text(m.path), "error",
                                   control_fault(m.error), "helper", helper_json(&m.helper)));
    }
    return modules;
}

/* A server counts every key that is offered, and hangs up after a few. */
static void warn_of_many(const struct control_deps *d, json_t *warnings)
{
    uint64_t generation;
    size_t n = 0;

    identity_offers(d->identities, &n, &generation);
    if (n > TRIES_MAX) {
        control_warn(warnings,
                     "%s offers %zu keys, and a server hangs up after %d (MaxAuthTries): give "
                     "sockets of their own a scope or tags, or ssh IdentitiesOnly",
                     d->agent_socket, n, TRIES_MAX);
    }
}

static json_t *warnings_json(const struct control_deps *d)
{
    json_t *warnings = json_array();

    if (secret_heap_state() == SECRET_HEAP_NOT_LOCKED) {
        control_warn(warnings, "memory for secrets is not locked: it may reach swap space; raise "
                               "RLIMIT_MEMLOCK");
    } else if (secret_heap_state() == SECRET_HEAP_ABSENT) {
        control_warn(warnings, "memory for secrets has no heap of its own");
    }
    control_token_warnings(d, warnings);
    control_key_warnings(d, warnings);
    control_signer_warnings(d, warnings);
    control_identity_warnings(d, warnings);
    control_enroll_warnings(d, warnings);
    warn_of_many(d, warnings);
    if (audit_error(d->audit) != NULL) {
        control_warn(warnings,
                     "the audit trail cannot be written, and its lines wait: %s. Where the file is "
                     "damaged, put it aside: a new one begins",
                     err_text(audit_error(d->audit)));
    }
    return warnings;
}

static void answer(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    int64_t uptime_s = (mono_now().ms - control_started(r).ms) / 1000;

    control_answer(r, 200,
                   json_pack("{s:s, s:i, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                             "version", HOLDFAST_VERSION, "pid", (int)getpid(), "uptime_s",
                             (json_int_t)uptime_s, "config_file", control_json_text(d->config_file),
                             "agent", agent_json(d), "memory", memory_name(secret_heap_state()),
                             "modules", modules_json(d), "tokens", control_tokens_json(d),
                             "signers", control_signers_json(d), "vault_helper",
                             vault_helper_json(d), "identities", control_identities_json(d), "keys",
                             control_keys_json(d, NULL), "warnings", warnings_json(d)));
}

/* Settled or not in time: what is known by then is the answer. */
static void on_settled(void *arg, struct err *e)
{
    struct control_request *r = arg;

    err_free(&e);
    if (control_resume(r)) {
        answer(r);
    }
}

struct err *control_status_get(struct control_request *r)
{
    const char *settle = control_query(r, "settle");
    int64_t s = 0;
    struct err *e = settle != NULL ? text_duration(settle, &s) : NULL;

    if (e != NULL || s > SETTLE_MAX_S) {
        err_free(&e);
        return err_new(ERR_INPUT, "query: settle has to be 0 to %d seconds", SETTLE_MAX_S);
    }
    if (s == 0) {
        answer(r);
        return NULL;
    }
    e = control_wait(r, (s + SETTLE_GRACE_S) * 1000, "wait for the tokens", NULL, NULL);
    if (e == NULL) {
        remote_when_settled(control_deps_of(r)->remote, mono_in(s * 1000), on_settled, r);
    }
    return e;
}
