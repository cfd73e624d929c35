/*
 * One connection test: drives the stages in order, times each, and tells what happened.
 *
 * A stage is three things in a table: go (do what can be done now), wait (what for), and the step
 * it counts as. HOST_KEY has three stages: what is known of the host decides which host key types
 * the key exchange asks for, so files are read, and a certificate is fetched, before it.
 *
 * Order is safety here: nothing of the user's, not even the name, goes to a host before its key
 * has been judged. A step that fails ends the attempt; nothing is tried in its place.
 */
#include "connect/attempt.h"

#include <stdlib.h>

#include "connect/auth.h"
#include "connect/keyscan.h"
#include "connect/tcp.h"

enum { PIECES_A_ROUND = 16 };

struct connect_attempt {
    const struct connect_request *rq;
    connect_attempt_event_fn *on_event;
    void *arg;
    size_t stage;
    bool is_in_stage;
    struct mono began, until, total_until;
    int64_t spent_ms[CONNECT_STEPS];
    char *text; /* what a finished stage has to say */

    struct connect_resolve *resolve;
    struct connect_addresses addresses;
    struct connect_tcp *tcp;
    struct connect_known *known;
    struct connect_keyscan *keyscan;
    struct connect_certs certs;
    struct connect_session *session;
    struct connect_agent *agent;
    struct connect_identities ids;
    struct connect_auth *auth;
    bool is_open, is_read; /* the channel; its output, to the end */
    bool has_more;         /* stopped for the others' sake: do not wait */
    int exit_status;
};

typedef struct err *stage_go_fn(struct connect_attempt *a, enum connect_progress *ret_progress);
typedef void stage_wait_fn(const struct connect_attempt *a, struct connect_wait *w);

static struct err *say(struct connect_attempt *a, char *text)
{
    free(a->text);
    a->text = text;
    return text ? NULL : err_nomem();
}

static struct err *go_resolve(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct err *e = NULL;

    if (!a->resolve) {
        e = connect_resolve_new(a->rq->host, a->rq->port, &a->resolve);
    }
    if (!e) {
        e = connect_resolve_go(a->resolve, &a->addresses, ret_progress);
    }
    if (e || *ret_progress == CONNECT_AGAIN) {
        return e;
    }
    char *all = text_copy(a->addresses.list[0].text);
    for (size_t i = 1; all && i < a->addresses.count; i++) {
        AUTO(auto_free) char *before = all;
        all = text_fmt("%s, %s", before, a->addresses.list[i].text);
    }
    return say(a, all);
}

static void wait_resolve(const struct connect_attempt *a, struct connect_wait *w)
{
    connect_resolve_wait(a->resolve, w);
}

static struct err *go_tcp(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct err *e = NULL;

    if (!a->tcp) {
        e = connect_tcp_new(&a->addresses, a->rq->port, a->until, &a->tcp);
    }
    if (!e) {
        e = connect_tcp_go(a->tcp, ret_progress);
    }
    if (e || *ret_progress == CONNECT_AGAIN) {
        return e;
    }
    return say(a, text_fmt("%s port %u", connect_tcp_address(a->tcp)->text, a->rq->port));
}

static void wait_tcp(const struct connect_attempt *a, struct connect_wait *w)
{
    connect_tcp_wait(a->tcp, w);
}

static struct err *go_known(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    *ret_progress = CONNECT_FINISHED;
    struct err *e = connect_known_read(a->known, a->rq->known_hosts);

    return !e && a->rq->known_hosts_text ? connect_known_scan(a->known, "the lines of this run",
                                                              view_cstr(a->rq->known_hosts_text))
                                         : e;
}

static struct err *go_keyscan(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct err *e = NULL;

    if (!connect_host_key_needs_cert(a->known)) {
        *ret_progress = CONNECT_FINISHED;
        return NULL;
    }
    if (!a->keyscan) {
        e = connect_keyscan_new(connect_tcp_address(a->tcp)->text, a->rq->port, &a->keyscan);
    }
    return e ? e : connect_keyscan_go(a->keyscan, &a->certs, ret_progress);
}

static void wait_keyscan(const struct connect_attempt *a, struct connect_wait *w)
{
    connect_keyscan_wait(a->keyscan, w);
}

static struct err *go_kex(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct err *e = NULL;

    if (!a->session) {
        AUTO(auto_free) char *algs = connect_host_key_prefer(a->known, &a->certs, wall_now());
        e = algs ? connect_session_new(connect_tcp_take(a->tcp), algs, &a->session) : err_nomem();
    }
    if (!e) {
        e = connect_session_handshake(a->session, ret_progress);
    }
    if (e || *ret_progress == CONNECT_AGAIN) {
        return e;
    }
    return say(a, connect_session_report(a->session));
}

static void wait_session(const struct connect_attempt *a, struct connect_wait *w)
{
    connect_session_wait(a->session, w);
}

static struct err *go_host_key(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    struct err *e = ssh_key_from_blob(connect_session_host_key(a->session), &key);
    char *text = NULL;

    *ret_progress = CONNECT_FINISHED;
    if (e) {
        return err_add(e, "the host's key");
    }
    e = connect_host_key_decide(a->known, &a->certs, key, wall_now(), &text);
    return e ? e : say(a, text);
}

static struct err *go_identity(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct rd answer;
    struct err *e = NULL;

    if (!a->agent) {
        e = connect_agent_new(a->rq->agent_socket, &a->agent);
        if (!e) {
            e = connect_agent_ask_list(a->agent);
        }
    }
    if (!e) {
        e = connect_agent_go(a->agent, &answer, ret_progress);
    }
    if (e || *ret_progress == CONNECT_AGAIN) {
        return e;
    }
    e = connect_identities_read(&a->ids, answer, buf_view(&a->rq->only_key), a->rq->user,
                                wall_now());
    if (e) {
        return e;
    }
    AUTO(auto_free) char *first = connect_identity_text(&a->ids.list[0]);
    return say(a, text_fmt("%zu of %zu identities (%zu of them certificates), first %s",
                           a->ids.count, a->ids.listed, a->ids.certs, first ? first : ""));
}

static void wait_identity(const struct connect_attempt *a, struct connect_wait *w)
{
    connect_agent_wait(a->agent, w);
}

static struct err *go_auth(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct err *e = NULL;
    char *text = NULL;

    if (!a->auth) {
        e = connect_auth_new(a->session, a->agent, &a->ids, a->rq->user, &a->auth);
    }
    if (!e) {
        e = connect_auth_go(a->auth, &text, ret_progress);
    }
    if (e || *ret_progress == CONNECT_AGAIN) {
        return e;
    }
    return say(a, text);
}

static void wait_auth(const struct connect_attempt *a, struct connect_wait *w)
{
    connect_auth_wait(a->auth, w);
}

/* Hands the command's output on; some pieces at a time, so that a torrent stops nothing else. */
static struct err *pump_output(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    uint8_t piece[CONNECT_OUTPUT_MAX_BYTES];

    for (int i = 0; i < PIECES_A_ROUND; i++) {
        struct connect_event event = {.step = CONNECT_SESSION, .ok = true, .text = ""};
        size_t len = 0;
        struct err *e = connect_session_read(a->session, piece, sizeof piece, &len,
                                             &event.is_stderr, ret_progress);
        if (e || *ret_progress == CONNECT_AGAIN) {
            return e;
        }
        if (len == 0) {
            a->is_read = true;
            return NULL;
        }
        event.output = view_of(piece, len);
        e = a->on_event(a->arg, &event);
        if (e) {
            return e;
        }
    }
    a->has_more = true;
    *ret_progress = CONNECT_AGAIN;
    return NULL;
}

static struct err *go_session(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    AUTO(auto_free) char *signal = NULL;
    struct err *e = NULL;

    if (!a->is_open) {
        e = connect_session_open(a->session, a->rq->command, ret_progress);
        if (e || *ret_progress == CONNECT_AGAIN) {
            return e;
        }
        a->is_open = true;
        a->is_read = !a->rq->command;
        if (a->rq->command) {
            a->until = a->total_until; /* how long a command takes is its own business */
        }
    }
    a->has_more = false;
    if (!a->is_read) {
        e = pump_output(a, ret_progress);
        if (e || *ret_progress == CONNECT_AGAIN) {
            return e;
        }
    }
    e = connect_session_close(a->session, &a->exit_status, &signal, ret_progress);
    if (e || *ret_progress == CONNECT_AGAIN) {
        return e;
    }
    if (!a->rq->command) {
        return say(a, text_copy("opened and closed"));
    }
    return say(a, signal ? text_fmt("command ended by signal %s", signal)
                         : text_fmt("command ended with status %d", a->exit_status));
}

static const struct stage {
    enum connect_step step;
    stage_go_fn *go;
    stage_wait_fn *wait; /* NULL: never waits */
    bool is_last;        /* of its step: its end is told */
} stages[] = {
    {CONNECT_RESOLVE, go_resolve, wait_resolve, true},
    {CONNECT_TCP, go_tcp, wait_tcp, true},
    {CONNECT_HOST_KEY, go_known, NULL, false},
    {CONNECT_HOST_KEY, go_keyscan, wait_keyscan, false},
    {CONNECT_KEX, go_kex, wait_session, true},
    {CONNECT_HOST_KEY, go_host_key, NULL, true},
    {CONNECT_IDENTITY, go_identity, wait_identity, true},
    {CONNECT_AUTH, go_auth, wait_auth, true},
    {CONNECT_SESSION, go_session, wait_session, true},
};

static const char *late_text(const struct connect_attempt *a)
{
    switch (stages[a->stage].step) {
    case CONNECT_RESOLVE:
        return "the name service did not answer";
    case CONNECT_TCP:
        return "no address answered";
    case CONNECT_KEX:
        return connect_session_has_banner(a->session)
                   ? "the key exchange did not end"
                   : "the host accepts connections and then sends nothing";
    case CONNECT_HOST_KEY:
        return "ssh-keyscan did not end";
    case CONNECT_IDENTITY:
        return "the agent did not list its identities";
    case CONNECT_AUTH:
        return connect_auth_waits_for_agent(a->auth)
                   ? "the agent did not sign (does a token want a PIN or a touch?)"
                   : "the host did not answer the login";
    case CONNECT_SESSION:
        return a->is_open ? "the command did not end" : "the host did not open a session";
    case CONNECT_STEPS:
        break;
    }
    return "";
}

void connect_attempt_free(struct connect_attempt **attempt)
{
    struct connect_attempt *a = take(attempt);

    if (!a) {
        return;
    }
    connect_auth_free(&a->auth);
    connect_identities_deinit(&a->ids);
    connect_agent_free(&a->agent);
    connect_session_free(&a->session);
    connect_certs_deinit(&a->certs);
    connect_keyscan_free(&a->keyscan);
    connect_known_free(&a->known);
    connect_tcp_free(&a->tcp);
    connect_resolve_free(&a->resolve);
    free(a->text);
    free(a);
}

struct err *connect_attempt_new(const struct connect_request *rq,
                                connect_attempt_event_fn *on_event, void *arg,
                                struct connect_attempt **ret)
{
    AUTO(connect_attempt_free) struct connect_attempt *a = calloc(1, sizeof *a);
    struct err *e;

    if (!a) {
        return err_nomem();
    }
    a->rq = rq;
    a->on_event = on_event;
    a->arg = arg;
    a->total_until = mono_in(rq->total_ms);
    e = connect_known_new(rq->host, rq->port, &a->known);
    if (!e) {
        *ret = take(&a);
    }
    return e;
}

static void enter_stage(struct connect_attempt *a)
{
    a->is_in_stage = true;
    a->began = mono_now();
    a->until = connect_wait_sooner(mono_in(a->rq->step_timeout_ms), a->total_until);
}

static struct err *tell(struct connect_attempt *a, const struct err *failed)
{
    enum connect_step step = stages[a->stage].step;
    struct connect_event event = {
        .step = step,
        .ok = !failed,
        .took_ms = a->spent_ms[step],
        .text = failed || !a->text ? "" : a->text,
        .err = failed,
    };

    return a->on_event(a->arg, &event);
}

static struct err *go_stage(struct connect_attempt *a, enum connect_progress *ret_progress)
{
    struct err *e = stages[a->stage].go(a, ret_progress);

    if (!e && *ret_progress == CONNECT_AGAIN && mono_passed(a->until)) {
        e = err_new(ERR_TIMEOUT, "%s within %lld ms", late_text(a),
                    (long long)(a->until.ms - a->began.ms));
    }
    return e;
}

struct err *connect_attempt_go(struct connect_attempt *a, struct connect_result *ret,
                               enum connect_progress *ret_progress)
{
    while (a->stage < ARRAY_LEN(stages)) {
        const struct stage *stage = &stages[a->stage];
        enum connect_progress progress = CONNECT_AGAIN;

        if (!a->is_in_stage) {
            enter_stage(a);
        }
        AUTO(err_free) struct err *failed = go_stage(a, &progress);
        if (!failed && progress == CONNECT_AGAIN) {
            *ret_progress = CONNECT_AGAIN;
            return NULL;
        }
        a->spent_ms[stage->step] += mono_now().ms - a->began.ms;
        if (failed || stage->is_last) {
            struct err *e = tell(a, failed);
            if (e) {
                return e;
            }
        }
        if (failed) {
            *ret_progress = CONNECT_FINISHED;
            *ret = (struct connect_result){.failed = stage->step, .err = take(&failed)};
            return NULL;
        }
        a->stage++;
        a->is_in_stage = false;
    }
    *ret_progress = CONNECT_FINISHED;
    *ret = (struct connect_result){.exit_status = a->exit_status};
    return NULL;
}

void connect_attempt_wait(const struct connect_attempt *a, struct connect_wait *w)
{
    w->until = connect_wait_sooner(w->until, a->has_more ? mono_now() : a->until);
    if (stages[a->stage].wait) {
        stages[a->stage].wait(a, w);
    }
}
