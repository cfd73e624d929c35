/*
 * The test of an SSH key: a fresh certificate, then a login with it at a host, step by step. The last
 * step of declaring one, and possible at any time.
 */
#include <stdlib.h>

#include "control/login.h"
#include "control/resources.h"

enum { COMMAND_MS = 600 * 1000, GRACE_MS = 5 * 1000 };

const struct control_member control_ssh_key_test_body[] = {
    {"host", CONTROL_TEXT, true, 1, 255},
    {"port", CONTROL_NUMBER, false, 1, 65535},
    {"command", CONTROL_TEXT, false, 1, CONTROL_COMMAND_MAX_BYTES},
    {"known_hosts", CONTROL_TEXT, false, 1, 4096},
    {"step_timeout_ms", CONTROL_NUMBER, false, CONTROL_STEP_MIN_MS, CONTROL_STEP_MAX_MS},
    {NULL, CONTROL_TEXT, false, 0, 0},
};

struct test {
    struct control_job job;
    struct control_login login;
    struct connect_run *connect;
};

static void test_stop(struct control_job *job)
{
    connect_free(&((struct test *)job)->connect);
}

static void test_free(struct control_job *job)
{
    struct test *t = (struct test *)job;

    control_login_deinit(&t->login);
    free(t);
}

static void on_event(void *arg, const struct connect_event *ev)
{
    struct test *t = arg;

    if (!control_line(t->job.r, control_event_json(ev))) {
        AUTO(err_free) struct err *e =
            err_new(ERR_LIMIT, "more than %d bytes were left unread", CONTROL_STREAM_MAX_BYTES);

        control_end_lines(t->job.r, control_end_json(e, ev->step, 0)); /* frees t */
    }
}

static void on_done(void *arg, struct err *e, enum connect_step failed, int exit_status)
{
    struct test *t = arg;

    control_end_lines(t->job.r, control_end_json(e, failed, exit_status)); /* frees t */
    err_free(&e);
}

/* The end of a test that came to no connection. */
static json_t *no_login(const struct err *e)
{
    return json_pack("{s:b, s:s, s:i, s:n, s:o}", "done", 1, "failed", "certificate", "exit_code",
                     CONTROL_LOGIN_EXIT, "exit_status", "error", control_fault(e));
}

static int64_t time_of(const struct control_request *r)
{
    return control_text(r, "command") != NULL
               ? COMMAND_MS
               : control_number(r, "step_timeout_ms", CONTROL_STEP_MS) * (CONNECT_STEPS - 1);
}

static void on_ready(struct control_job *job, const struct err *failed)
{
    struct test *t = (struct test *)job;
    struct control_request *r = job->r;
    const struct control_deps *d = control_deps_of(r);
    char *known_hosts[] = {(char *)control_text(r, "known_hosts"), NULL};
    struct connect_conf conf = {
        .helper_path = d->connect_helper,
        .agent_socket = d->agent_socket,
        .user = t->login.user,
        .host = control_text(r, "host"),
        .port = (unsigned)control_number(r, "port", t->login.port),
        .known_hosts = known_hosts[0] != NULL ? known_hosts : NULL,
        .only_key = buf_view(&t->login.only_key),
        .command = control_text(r, "command"),
        .step_timeout_ms = control_number(r, "step_timeout_ms", CONTROL_STEP_MS),
    };

    if (failed != NULL) {
        control_end_lines(r, no_login(failed)); /* frees t */
        return;
    }
    AUTO(err_free) struct err *e =
        connect_start(d->loop, &conf, mono_in(time_of(r)), on_event, on_done, t, &t->connect);

    if (e != NULL) {
        control_end_lines(r, control_end_json(e, CONNECT_RESOLVE, 0)); /* frees t */
    }
}

struct err *control_ssh_key_test(struct control_request *r)
{
    struct registry *registry;
    struct err *e = control_registry_of(r, &registry);
    struct test *t = e == NULL ? calloc(1, sizeof *t) : NULL;

    if (t == NULL) {
        return e != NULL ? e : err_nomem();
    }
    t->job = (struct control_job){.stop = test_stop, .free = test_free};
    t->login = (struct control_login){.job = &t->job, .on_ready = on_ready};
    e = control_job_start(&t->job, r, time_of(r) + CONTROL_LOGIN_MS + GRACE_MS, "test the SSH key");
    if (e == NULL) {
        control_login_key(&t->login, control_param(r, "scope"), control_param(r, "id"));
    }
    return e;
}
