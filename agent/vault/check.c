/*
 * The test of a connector, in the helper: what stands between the agent and a certificate, one step
 * after the other, each with its time and with words that a person can act on.
 *
 * Each address is met with one request to sys/health over a connection of its own, because only a new
 * one shows the TCP and TLS steps. The rest goes over the first address that will do, by the same code
 * as any request: a check that took a way of its own would prove nothing. What may not be asked is not
 * held against a login that needs no more than to sign.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "vault/check.h"
#include "vault/peer.h"

enum { DAY_S = 24 * 60 * 60, SOON_S = 30 * DAY_S, TIMEOUT_MS = 10000 };

/* --- telling ------------------------------------------------------------------------------------ */

void vault_report_fact(struct vault_report *r, const char *name, const char *value)
{
    if (value != NULL && r->n < VAULT_FACTS_MAX) {
        r->facts[r->n].name = name;
        r->facts[r->n].value = text_copy(value);
        r->n += r->facts[r->n].value != NULL;
    }
}

void vault_report_number(struct vault_report *r, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    vault_report_fact(r, name, text);
}

void vault_report_deinit(struct vault_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free((char *)r->facts[i].value);
    }
    err_free(&r->error);
    r->n = 0;
}

static struct err *tell(struct vault_check_run *run, enum vault_step_kind kind,
                        const struct vault_report *r)
{
    AUTO(buf_deinit) struct buf b;
    struct vault_step step = {
        .kind = kind,
        .state = r->error != NULL ? VAULT_STEP_FAILED : r->state,
        .address = run->address,
        .text = r->error != NULL ? err_text(r->error) : r->text,
        .error = r->error,
        .took_ms = r->took_ms,
        .facts = r->facts,
        .facts_n = r->n,
    };

    buf_init(&b, 0);
    vault_step_put(&b, &step);
    struct err *e = buf_check(&b, "a step of the check");

    return e != NULL ? e : ipc_request_event(run->look->request, buf_view(&b));
}

static struct err *skip(struct vault_check_run *run, enum vault_step_kind first,
                        enum vault_step_kind last)
{
    struct vault_report r = {.state = VAULT_STEP_SKIPPED};
    struct err *e = NULL;

    snprintf(r.text, sizeof r.text, "not tried");
    for (unsigned kind = first; e == NULL && kind <= last; kind++) {
        e = tell(run, (enum vault_step_kind)kind, &r);
    }
    return e;
}

/* --- reach, tls --------------------------------------------------------------------------------- */

static void report_reach(const struct vault_peer *p, struct err *e, struct vault_report *r)
{
    r->took_ms = p->reach_ms;
    if (!p->reached) {
        r->error = e;
        return;
    }
    snprintf(r->text, sizeof r->text, "%s port %ld answers", p->ip, p->port);
    vault_report_fact(r, "ip", p->ip);
    vault_report_number(r, "port", p->port);
}

static void report_end(const struct vault_peer *p, struct vault_report *r)
{
    char end[WALL_TEXT_BYTES], left[TEXT_DURATION_BYTES];
    int64_t left_s = p->not_after.s - wall_now().s;
    int64_t life_s = p->not_after.s - p->not_before.s;
    bool soon = left_s < SOON_S && left_s < life_s / 3;

    snprintf(r->text, sizeof r->text,
             "%s, certificate of %.200s, issued by %.200s, good until %s%s%s%s", p->version,
             p->subject, p->issuer != NULL ? p->issuer : "?", wall_text(p->not_after, end),
             soon ? ": it ends in " : "", soon ? text_duration_of(left_s, left) : "",
             soon ? " and has to be replaced" : "");
    r->state = soon ? VAULT_STEP_WARNING : VAULT_STEP_OK;
}

static void report_tls(const struct vault_peer *p, struct err *e, struct vault_report *r)
{
    char when[WALL_TEXT_BYTES];

    r->took_ms = p->tls_ms;
    if (p->subject != NULL) {
        vault_report_fact(r, "version", p->version);
        vault_report_fact(r, "subject", p->subject);
        vault_report_fact(r, "issuer", p->issuer);
        vault_report_fact(r, "names", p->names);
        vault_report_fact(r, "not_before", wall_text(p->not_before, when));
        vault_report_fact(r, "not_after", wall_text(p->not_after, when));
    }
    if (p->encrypted) {
        report_end(p, r);
        return;
    }
    vault_report_fact(r, "failed_at", p->failed_at);
    if (err_is(e, ERR_INPUT)) {
        r->error = e; /* our own CA certificates */
        return;
    }
    r->error =
        p->subject == NULL
            ? err_add(e, "TLS fails before the server has shown a certificate")
            : err_add(e, "the server's certificate of %s, issued by %s, good from %s until %s",
                      p->subject, p->issuer != NULL ? p->issuer : "?",
                      wall_text(p->not_before, when),
                      wall_text(p->not_after, (char[WALL_TEXT_BYTES]){0}));
}

/* --- health ------------------------------------------------------------------------------------- */

static void report_state(const json_t *health, struct vault_report *r)
{
    const char *version = json_string_value(json_object_get(health, "version"));
    const char *cluster = json_string_value(json_object_get(health, "cluster_name"));
    bool initialized = json_is_true(json_object_get(health, "initialized"));
    bool sealed = json_is_true(json_object_get(health, "sealed"));
    bool standby = json_is_true(json_object_get(health, "standby"));

    vault_report_fact(r, "version", version);
    vault_report_fact(r, "initialized", initialized ? "true" : "false");
    vault_report_fact(r, "sealed", sealed ? "true" : "false");
    vault_report_fact(r, "standby", standby ? "true" : "false");
    vault_report_fact(r, "cluster", cluster);
    if (!json_is_boolean(json_object_get(health, "sealed"))) {
        r->error = err_new(ERR_PROTOCOL, "the answer of sys/health is not that of a Vault");
    } else if (!initialized) {
        r->error = err_new(ERR_REMOTE, "Vault is not initialized");
    } else if (sealed) {
        r->error = err_new(ERR_REMOTE, "Vault is sealed");
    } else {
        snprintf(r->text, sizeof r->text, "version %s, unsealed%s",
                 version != NULL ? version : "unknown",
                 standby ? ", on standby: it hands requests on to the active node" : ", active");
    }
}

static void report_health(const struct vault_http_answer *answer, const struct vault_peer *p,
                          struct err *e, struct vault_report *r)
{
    AUTO(vault_json_free) json_t *root = NULL;

    int64_t took_ms = p->total_ms - p->reach_ms - p->tls_ms;

    r->took_ms = took_ms > 0 ? took_ms : 0;
    r->error = e != NULL ? e : vault_api_read(answer->status, buf_view(&answer->body), &root);
    if (r->error == NULL) {
        report_state(root, r);
    }
}

/* --- one address -------------------------------------------------------------------------------- */

static struct err *ask_health(struct vault_check_run *run, size_t i, struct vault_peer *peer,
                              struct vault_http_answer *answer)
{
    AUTO(buf_deinit) struct buf url, connect_to;
    const struct vault_api *api = &run->look->api;
    struct vault_http_request request = {0};
    int64_t left = mono_left_ms(api->deadline);
    int64_t longest = api->server->request_timeout_ms;

    buf_init(&url, 0);
    buf_init(&connect_to, 0);
    struct err *e =
        vault_api_request(api->server, i, "/sys/health",
                          "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200", &url,
                          &connect_to, &request);

    if (e == NULL && left == 0) {
        e = err_new(ERR_TIMEOUT, "no time was left to ask");
    }
    if (e != NULL) {
        return e;
    }
    longest = longest > 0 ? longest : TIMEOUT_MS;
    request.method = "GET";
    request.namespace_ = NULL; /* sys/health is the server's, not a namespace's */
    request.timeout_ms = longest < left ? longest : left;
    request.peer = peer;
    request.pool = api->link->pool;
    request.cert = (struct vault_client_cert){0}; /* what the server shows, not what we do */
    return vault_http_do(api->http, &request, answer);
}

/* The error of a request belongs to the first step that it kept from passing. @e is taken. */
static struct err *report_address(struct vault_check_run *run, const struct vault_peer *peer,
                                  const struct vault_http_answer *answer, struct err *e,
                                  bool *ret_good)
{
    struct vault_report report[3] = {{0}, {0}, {0}};
    enum vault_step_kind last = VAULT_STEP_REACH;
    struct err *lost = NULL;

    report_reach(peer, e, &report[VAULT_STEP_REACH]);
    if (peer->reached) {
        last = VAULT_STEP_TLS;
        report_tls(peer, e, &report[VAULT_STEP_TLS]);
    }
    if (peer->encrypted) {
        last = VAULT_STEP_HEALTH;
        report_health(answer, peer, e, &report[VAULT_STEP_HEALTH]);
    }
    for (unsigned kind = 0; lost == NULL && kind <= last; kind++) {
        lost = tell(run, (enum vault_step_kind)kind, &report[kind]);
    }
    if (lost == NULL && last < VAULT_STEP_HEALTH) {
        lost = skip(run, last + 1, VAULT_STEP_HEALTH);
    }
    *ret_good = report[last].error == NULL;
    if (!*ret_good && run->failed == NULL) {
        run->failed = err_add(err_copy(report[last].error), "%s", run->address);
    }
    for (unsigned kind = 0; kind < ARRAY_LEN(report); kind++) {
        vault_report_deinit(&report[kind]);
    }
    return lost;
}

static struct err *check_address(struct vault_check_run *run, size_t i, bool *ret_good)
{
    AUTO(vault_http_answer_deinit) struct vault_http_answer answer = {0};
    AUTO(vault_peer_deinit) struct vault_peer peer = {0};

    run->address = vault_conf_address(run->look->api.server, i);
    struct err *e = ask_health(run, i, &peer, &answer);

    return report_address(run, &peer, &answer, e, ret_good);
}

/* --- all of it ---------------------------------------------------------------------------------- */

static struct err *check_login(struct vault_check_run *run, vault_check_step_fn *const steps[])
{
    enum vault_step_kind last =
        run->look->query->mount != NULL ? VAULT_STEP_ENGINE : VAULT_STEP_TOKEN;
    struct err *lost = NULL;

    for (unsigned kind = VAULT_STEP_LOGIN; lost == NULL && kind <= last; kind++) {
        AUTO(vault_report_deinit) struct vault_report r = {0};
        struct mono begun = mono_now();

        steps[kind](run->look, &r);
        r.took_ms = mono_now().ms - begun.ms;
        lost = tell(run, (enum vault_step_kind)kind, &r);
        if (r.error != NULL) {
            run->failed =
                err_add(err_copy(r.error), "%s", vault_step_name((enum vault_step_kind)kind));
            return lost == NULL && kind < last ? skip(run, kind + 1, last) : lost;
        }
    }
    return lost;
}

struct err *vault_serve_check(struct vault_look *asked)
{
    static vault_check_step_fn *const steps[VAULT_STEPS] = {
        [VAULT_STEP_LOGIN] = vault_check_login,
        [VAULT_STEP_TOKEN] = vault_check_token,
        [VAULT_STEP_ENGINE] = vault_check_engine,
    };
    struct vault_look look = *asked;
    struct vault_check_run run = {.look = &look};
    struct vault_conf lenient = *look.api.server; /* borrowed strings */
    size_t n = vault_conf_addresses(look.api.server), first_good = n;
    atomic_uint here = 0;
    struct err *lost = NULL;

    for (size_t i = 0; lost == NULL && i < n; i++) {
        bool good = false;

        lost = check_address(&run, i, &good);
        first_good = good && first_good == n ? i : first_good;
    }
    if (lost == NULL && first_good < n) {
        err_free(&run.failed); /* one address is enough */
        run.address = vault_conf_address(look.api.server, first_good);
        lenient.renew_by_interval = false; /* let a root token in: its step says what is wrong */
        look.configured = look.api.server;
        look.api.server = &lenient;
        here = (unsigned)first_good;
        look.api.good = &here;
        lost = check_login(&run, steps);
    } else if (lost == NULL) {
        lost = skip(&run, VAULT_STEP_LOGIN,
                    look.query->mount != NULL ? VAULT_STEP_ENGINE : VAULT_STEP_TOKEN);
    }
    if (lost != NULL) {
        err_free(&run.failed);
        return lost;
    }
    return run.failed;
}
