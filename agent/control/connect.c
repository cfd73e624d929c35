/*
 * A connection test, or one command, on a host, told step by step while it runs. The work is done by
 * holdfast-connect, which signs at the agent's socket like any client; here its events become lines.
 *
 * The run belongs to the request: when the client leaves or the time is over, it ends. An identity that
 * is renewed per connection gets its new certificate first, as a run on many hosts does (login.c).
 */
#include <stdlib.h>

#include "control/login.h"
#include "control/resources.h"

enum {
    COMMAND_MS = 600 * 1000,
    GRACE_MS = 5 * 1000, /* connect/ notices its own deadline first, and says at which step */
};

const struct control_member control_connect_body[] = {
    {"user", CONTROL_TEXT, true, 1, 255},
    {"host", CONTROL_TEXT, true, 1, 255},
    {"port", CONTROL_NUMBER, false, 1, 65535},
    {"identity", CONTROL_TEXT, false, 1, 64},
    {"command", CONTROL_TEXT, false, 1, CONTROL_COMMAND_MAX_BYTES},
    {"known_hosts", CONTROL_TEXT, false, 1, 4096},
    {"step_timeout_ms", CONTROL_NUMBER, false, CONTROL_STEP_MIN_MS, CONTROL_STEP_MAX_MS},
    {NULL, CONTROL_TEXT, false, 0, 0},
};

struct run {
    struct control_job job;
    struct control_login login; /* per-connection only */
    struct connect_run *connect;
};

static void run_stop(struct control_job *job)
{
    struct run *run = (struct run *)job;

    connect_free(&run->connect);
}

static void run_free(struct control_job *job)
{
    struct run *run = (struct run *)job;

    connect_free(&run->connect);
    control_login_deinit(&run->login);
    free(run);
}

/* The one key or certificate that an identity stands for in this run. */
struct err *control_only_key(const struct identity *i, struct view *ret)
{
    const char *name = identity_name(i);

    if (identity_problem(i) != NULL) {
        return err_add(err_copy(identity_problem(i)), "identity %s", name);
    }
    for (size_t k = 0; k < identity_certs(i) && identity_offer_of(i) != IDENTITY_OFFER_KEY; k++) {
        const struct identity_cert *c = identity_cert_at(i, k);
        const struct ssh_cert *held = identity_cert_current(c);

        if (held != NULL && identity_cert_want(c)->request.kind == SSH_CERT_USER &&
            ssh_cert_is_valid_at(held, wall_now())) {
            *ret = ssh_cert_blob(held);
            return NULL;
        }
    }
    if (identity_offer_of(i) == IDENTITY_OFFER_CERTIFICATE || identity_public(i) == NULL) {
        return err_new(
            ERR_CERT,
            "identity %s has no valid user certificate to offer: `holdfast status` says why", name);
    }
    *ret = ssh_key_blob(identity_public(i));
    return NULL;
}

static json_t *step_or_null(enum connect_step s)
{
    return s > 0 && s < CONNECT_STEPS ? json_string(connect_step_name(s)) : json_null();
}

json_t *control_event_json(const struct connect_event *ev)
{
    json_t *v = json_pack("{s:o, s:b, s:I, s:o}", "step", step_or_null(ev->step), "ok", ev->ok,
                          "took_ms", (json_int_t)ev->took_ms, "text",
                          control_json_text(ev->text != NULL ? ev->text : ""));

    if (!ev->ok && ev->err != NULL) {
        v = control_json_join(v, json_pack("{s:o}", "error", control_fault(ev->err)));
    }
    if (ev->output.len > 0) {
        v = control_json_join(v, json_pack("{s:o, s:b}", "output", control_json_base64(ev->output),
                                           "stderr", ev->is_stderr));
    }
    return v;
}

json_t *control_end_json(const struct err *e, enum connect_step failed, int exit_status)
{
    json_t *v = json_pack("{s:b, s:o, s:i, s:i}", "done", 1, "failed", step_or_null(failed),
                          "exit_code", connect_step_exit(failed), "exit_status", exit_status);

    return e != NULL ? control_json_join(v, json_pack("{s:o}", "error", control_fault(e))) : v;
}

static void on_event(void *arg, const struct connect_event *ev)
{
    struct run *run = arg;

    if (!control_line(run->job.r, control_event_json(ev))) {
        AUTO(err_free) struct err *e =
            err_new(ERR_LIMIT, "more than %d bytes were left unread", CONTROL_STREAM_MAX_BYTES);

        control_end_lines(run->job.r, control_end_json(e, ev->step, 0)); /* may free run */
    }
}

static void on_done(void *arg, struct err *e, enum connect_step failed, int exit_status)
{
    struct run *run = arg;

    control_end_lines(run->job.r, control_end_json(e, failed, exit_status)); /* may free run */
    err_free(&e);
}

static int64_t length_ms(const struct control_request *r)
{
    return control_text(r, "command") != NULL
               ? COMMAND_MS
               : control_number(r, "step_timeout_ms", CONTROL_STEP_MS) * (CONNECT_STEPS - 1);
}

static struct err *start(struct run *run, struct view only_key)
{
    struct control_request *r = run->job.r;
    const struct control_deps *d = control_deps_of(r);
    char *known_hosts[] = {(char *)control_text(r, "known_hosts"), NULL};
    struct connect_conf conf = {
        .helper_path = d->connect_helper,
        .agent_socket = d->agent_socket,
        .user = control_text(r, "user"),
        .host = control_text(r, "host"),
        .port = (unsigned)control_number(r, "port", CONTROL_PORT_SSH),
        .known_hosts = known_hosts[0] != NULL ? known_hosts : NULL,
        .only_key = only_key,
        .command = control_text(r, "command"),
        .step_timeout_ms = control_number(r, "step_timeout_ms", CONTROL_STEP_MS),
    };

    return connect_start(d->loop, &conf, mono_in(length_ms(r)), on_event, on_done, run,
                         &run->connect);
}

static void on_ready(struct control_job *job, const struct err *failed)
{
    struct run *run = (struct run *)job;
    AUTO(err_free) struct err *e =
        failed != NULL ? err_copy(failed) : start(run, buf_view(&run->login.only_key));

    if (e != NULL) {
        control_end_lines(job->r, control_end_json(e, 0, 0)); /* may free run */
    }
}

struct err *control_connect(struct control_request *r)
{
    const char *name = control_text(r, "identity");
    struct identity *i = name != NULL ? identity_find(control_deps_of(r)->identities, name) : NULL;
    bool is_new = i != NULL && identity_renewal_of(i) == IDENTITY_RENEWAL_PER_CONNECTION;
    struct view only_key = {NULL, 0};

    if (name != NULL && i == NULL) {
        return err_new(ERR_NOT_FOUND, "no identity %s is configured", name);
    }
    struct err *e = i != NULL && !is_new ? control_only_key(i, &only_key) : NULL;
    struct run *run = e == NULL ? calloc(1, sizeof *run) : NULL;

    if (run == NULL) {
        return e != NULL ? e : err_nomem();
    }
    run->job = (struct control_job){.stop = run_stop, .free = run_free};
    run->login = (struct control_login){.job = &run->job, .on_ready = on_ready};
    e = control_job_start(&run->job, r, length_ms(r) + GRACE_MS + (is_new ? CONTROL_LOGIN_MS : 0),
                          "connect");
    if (e != NULL) {
        return e;
    }
    if (is_new) {
        return control_login_identity(&run->login, name);
    }
    e = control_start_lines(r);
    return e != NULL ? e : start(run, only_key);
}
