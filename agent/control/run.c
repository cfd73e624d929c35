/*
 * One command on many hosts: a fresh certificate, then sessions in parallel, each with a
 * holdfast-connect of its own, as many at a time as asked for; a line for whatever happens, a table at
 * the end.
 *
 * A host that fails is a row of that table and never the end of the run. What does end it is the
 * client: one that left, or that leaves too much unread. Then all sessions are stopped.
 *
 * The way: [infrastructure ->] SSH key -> certificate (login.c) -> hosts (fill(), one by one).
 */
#include <stdlib.h>

#include "control/login.h"
#include "control/resources.h"
#include "control/run_hosts.h"

enum {
    RUN_MS = 24 * 3600 * 1000,
    HOST_MS = 600 * 1000,
    HOST_MIN_MS = 1000,
    HOST_MAX_MS = 3600 * 1000,
    PARALLEL = 10,
    PARALLEL_MAX = 50,
    LIST_MAX = 1000,
    REFERENCE_MAX_BYTES = 256,
};

const struct control_member control_run_body[] = {
    {"scope", CONTROL_TEXT, false, 1, 512},
    {"infrastructure", CONTROL_TEXT, false, 1, REFERENCE_MAX_BYTES},
    {"hosts", CONTROL_LIST, false, 1, LIST_MAX},
    {"ssh_key", CONTROL_TEXT, false, 1, REFERENCE_MAX_BYTES},
    {"identity", CONTROL_TEXT, false, 1, 64},
    {"user", CONTROL_TEXT, false, 1, 255},
    {"command", CONTROL_TEXT, false, 1, CONTROL_COMMAND_MAX_BYTES},
    {"limit", CONTROL_TEXT, false, 1, 255},
    {"concurrency", CONTROL_NUMBER, false, 1, PARALLEL_MAX},
    {"timeout_ms", CONTROL_NUMBER, false, HOST_MIN_MS, HOST_MAX_MS},
    {"step_timeout_ms", CONTROL_NUMBER, false, CONTROL_STEP_MIN_MS, CONTROL_STEP_MAX_MS},
    {"known_hosts", CONTROL_TEXT, false, 1, 4096},
    {NULL, CONTROL_TEXT, false, 0, 0},
};

/* A session that goes on. */
struct session {
    struct run *run;
    struct connect_run *connect; /* NULL: this one is free */
    size_t host;
    struct mono begun;
};

struct run {
    struct control_job job;
    struct control_login login;
    char *scope;   /* of the infrastructure, or where references start from */
    json_t *infra; /* its spec */
    struct control_hosts hosts;
    json_t **ends; /* of each host, in their order; NULL: not yet */
    size_t next, ended;
    struct session session[PARALLEL_MAX];
    size_t parallel;
};

static void run_stop(struct control_job *job)
{
    struct run *run = (struct run *)job;

    for (size_t i = 0; i < ARRAY_LEN(run->session); i++) {
        connect_free(&run->session[i].connect);
    }
}

static void run_free(struct control_job *job)
{
    struct run *run = (struct run *)job;

    for (size_t i = 0; run->ends != NULL && i < run->hosts.n; i++) {
        json_decref(run->ends[i]);
    }
    free(run->ends);
    control_login_deinit(&run->login);
    control_hosts_deinit(&run->hosts);
    json_decref(run->infra);
    free(run->scope);
    free(run);
}

/* The last line; frees the run. */
static void finish(struct run *run, const struct err *e)
{
    json_t *summary = json_array();

    for (size_t i = 0; run->ends != NULL && i < run->hosts.n; i++) {
        if (run->ends[i] != NULL) {
            control_json_add(summary, json_incref(run->ends[i]));
        }
    }
    json_t *end = json_pack("{s:b, s:o}", "done", 1, "summary", summary);

    if (e != NULL) {
        end = control_json_join(end, json_pack("{s:o}", "error", control_fault(e)));
    }
    control_end_lines(run->job.r, end);
}

/* A line about a host (taken). False: the run is over, and freed. */
static bool say(struct run *run, size_t host, json_t *line)
{
    const char *name = run->hosts.all[host].name;

    line = control_json_join(json_pack("{s:o}", "host", control_json_text(name)), line);
    if (control_line(run->job.r, line)) {
        return true;
    }
    AUTO(err_free) struct err *e =
        err_new(ERR_LIMIT, "more than %d bytes were left unread", CONTROL_STREAM_MAX_BYTES);

    finish(run, e);
    return false;
}

/* The end of one host. False: the run is over, and freed. */
static bool end_host(struct session *s, const struct err *e, enum connect_step failed, int status)
{
    struct run *run = s->run;
    size_t host = s->host;
    json_t *end = control_json_join(
        control_end_json(e, failed, status),
        json_pack("{s:o, s:I}", "host", control_json_text(run->hosts.all[host].name), "took_ms",
                  (json_int_t)(mono_now().ms - s->begun.ms)));

    connect_free(&s->connect);
    run->ends[host] = json_incref(end);
    run->ended++;
    return say(run, host, end);
}

static void fill(struct run *run);

static void on_event(void *arg, const struct connect_event *ev)
{
    struct session *s = arg;

    (void)say(s->run, s->host, control_event_json(ev));
}

static void on_done(void *arg, struct err *e, enum connect_step failed, int exit_status)
{
    struct session *s = arg;
    struct run *run = s->run;
    AUTO(err_free) struct err *why = e;

    if (end_host(s, why, failed, exit_status)) {
        fill(run);
    }
}

static struct err *connect_to(struct session *s, const struct control_host *h)
{
    struct run *run = s->run;
    struct control_request *r = run->job.r;
    const struct control_deps *d = control_deps_of(r);
    const char *user = control_text(r, "user");
    char *no_files[] = {NULL};
    char *given[] = {(char *)control_text(r, "known_hosts"), NULL};
    int64_t ms = control_number(r, "timeout_ms", HOST_MS);
    struct connect_conf conf = {
        .helper_path = d->connect_helper,
        .agent_socket = d->agent_socket,
        .user = user != NULL ? user : run->login.user,
        .host = h->address,
        .port = h->port != 0 ? h->port : run->login.port,
        .known_hosts = given[0] != NULL ? given : NULL,
        .known_hosts_text = h->known_hosts,
        .only_key = buf_view(&run->login.only_key),
        .command = control_text(r, "command"),
        .step_timeout_ms = control_number(r, "step_timeout_ms", CONTROL_STEP_MS),
    };

    if (h->known_hosts != NULL) {
        conf.known_hosts = no_files;
    }
    return connect_start(d->loop, &conf, mono_in(ms), on_event, on_done, s, &s->connect);
}

/* Begins one host. False: the run is over, and freed. */
static bool begin_host(struct session *s)
{
    struct run *run = s->run;

    s->host = run->next++;
    s->begun = mono_now();
    AUTO(err_free) struct err *e = connect_to(s, &run->hosts.all[s->host]);

    return e == NULL || end_host(s, e, CONNECT_RESOLVE, 0);
}

static void fill(struct run *run)
{
    for (size_t i = 0; i < run->parallel; i++) {
        struct session *s = &run->session[i];

        while (s->connect == NULL && run->next < run->hosts.n) {
            if (!begin_host(s)) {
                return;
            }
        }
    }
    if (run->ended == run->hosts.n) {
        finish(run, NULL);
    }
}

static struct err *prepare(struct run *run)
{
    const struct control_request *r = run->job.r;
    const char *limit = control_text(r, "limit");
    const json_t *declared = json_object_get(run->infra, "concurrency");
    int64_t parallel = control_number(r, "concurrency",
                                      declared != NULL ? json_integer_value(declared) : PARALLEL);
    struct err *e =
        run->infra != NULL ? control_hosts_of_spec(run->infra, run->login.port, &run->hosts) : NULL;

    if (e != NULL) {
        return e;
    }
    if (limit != NULL) {
        control_hosts_limit(&run->hosts, limit);
    }
    if (run->hosts.n == 0) {
        return err_new(ERR_NOT_FOUND, "no host fits /limit");
    }
    run->parallel = parallel >= 1 && parallel <= PARALLEL_MAX ? (size_t)parallel : PARALLEL;
    for (size_t i = 0; i < ARRAY_LEN(run->session); i++) {
        run->session[i].run = run;
    }
    run->ends = calloc(run->hosts.n, sizeof(json_t *));
    return run->ends != NULL ? NULL : err_nomem();
}

static void on_ready(struct control_job *job, const struct err *failed)
{
    struct run *run = (struct run *)job;
    AUTO(err_free) struct err *e = failed != NULL ? err_copy(failed) : prepare(run);

    if (e != NULL) {
        finish(run, e);
    } else {
        fill(run);
    }
}

static void on_infrastructure(void *arg, struct err *e, json_t *resource)
{
    struct run *run = arg;
    const char *asked;

    if (!control_job_back(&run->job)) {
        err_free(&e);
        return;
    }
    if (e != NULL) {
        control_job_fail(&run->job, e);
        return;
    }
    run->infra = json_incref(json_object_get(resource, "spec"));
    asked = control_text(run->job.r, "ssh_key");
    const char *own = json_string_value(json_object_get(run->infra, "ssh_key"));
    const char *scope = control_text(run->job.r, "scope");

    if (asked != NULL) {
        control_login_key(&run->login, scope != NULL ? scope : "account", asked);
    } else if (own != NULL) {
        control_login_key(&run->login, run->scope, own);
    } else {
        control_job_fail(&run->job, err_new(ERR_BUSY, "the infrastructure has no SSH key: mend it "
                                                      "first, or name one"));
    }
}

static struct err *start_infrastructure(struct run *run, struct registry *registry,
                                        const char *reference)
{
    AUTO(auto_free) char *from = take(&run->scope);
    const char *id = NULL;
    struct err *e = registry_reference_resolve(from, reference, &run->scope, &id);

    if (e == NULL) {
        control_job_await(&run->job);
        registry_get(registry, REGISTRY_INFRASTRUCTURE, run->scope, id, on_infrastructure, run);
    }
    return e;
}

/* Which members belong together, and who may use them. */
static struct err *check(const struct control_request *r, const char *scope)
{
    const char *infra = control_text(r, "infrastructure");
    const char *identity = control_text(r, "identity");
    const char *key = control_text(r, "ssh_key");

    if ((infra != NULL) == (control_value(r, "hosts") != NULL)) {
        return err_new(ERR_INPUT, "give either /infrastructure or /hosts");
    }
    if (infra != NULL ? identity != NULL : (identity != NULL) == (key != NULL)) {
        return err_new(ERR_INPUT, "%s",
                       infra != NULL ? "/identity goes with /hosts only"
                                     : "with /hosts give either /ssh_key or /identity");
    }
    if (identity != NULL && control_text(r, "user") == NULL) {
        return err_new(ERR_INPUT, "/user is missing: an identity has none of its own");
    }
    return control_need(r, CONTROL_OPERATOR, identity != NULL ? "account" : scope);
}

static struct err *start(struct run *run)
{
    struct control_request *r = run->job.r;
    const char *identity = control_text(r, "identity");
    const char *infra = control_text(r, "infrastructure");
    const json_t *hosts = control_value(r, "hosts");
    struct registry *registry;
    struct err *e = hosts != NULL ? control_hosts_of_list(hosts, &run->hosts) : NULL;

    if (e == NULL && identity != NULL) {
        return control_login_identity(&run->login, identity);
    }
    if (e == NULL) {
        e = control_registry_of(r, &registry);
    }

    if (e == NULL && infra != NULL) {
        return start_infrastructure(run, registry, infra);
    }
    if (e == NULL) {
        control_login_key(&run->login, run->scope, control_text(r, "ssh_key"));
    }
    return e;
}

struct err *control_run(struct control_request *r)
{
    const char *scope = control_text(r, "scope");
    struct err *e = check(r, scope != NULL ? scope : "account");
    struct run *run = e == NULL ? calloc(1, sizeof *run) : NULL;

    if (run == NULL) {
        return e != NULL ? e : err_nomem();
    }
    run->job = (struct control_job){.stop = run_stop, .free = run_free};
    run->login = (struct control_login){.job = &run->job, .on_ready = on_ready};
    run->scope = strdup(scope != NULL ? scope : "account");
    if (run->scope == NULL) {
        run_free(&run->job);
        return err_nomem();
    }
    e = control_job_start(&run->job, r, RUN_MS, "the run");
    return e != NULL ? e : start(run);
}
