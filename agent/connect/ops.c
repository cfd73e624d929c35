/*
 * The messages between the agent and holdfast-connect: reader and writer of each, side by side.
 * Both sides are ours, but they are two processes: what is read is checked as if it came from
 * outside, and a request that could not work is refused here, before anything is tried.
 */
#include "connect/ops.h"

#include <stdlib.h>

#include "connect/identities.h"
#include "connect/known_hosts.h"

static void put_optional(struct buf *b, const char *s)
{
    buf_put_bool(b, s != NULL);
    buf_put_cstr(b, s ? s : "");
}

static char *get_optional(struct rd *r)
{
    bool is_there = rd_bool(r);
    char *s = rd_cstr(r);

    if (!is_there) {
        free(s);
        return NULL;
    }
    return s;
}

void connect_request_put(struct buf *b, const struct connect_conf *conf, int64_t total_ms)
{
    buf_put_cstr(b, conf->agent_socket);
    buf_put_cstr(b, conf->user);
    buf_put_cstr(b, conf->host);
    buf_put_u32(b, conf->port);
    text_list_put(b, conf->known_hosts);
    put_optional(b, conf->known_hosts_text);
    buf_put_string(b, conf->only_key);
    put_optional(b, conf->command);
    buf_put_u64(
        b, (uint64_t)(conf->step_timeout_ms ? conf->step_timeout_ms : CONNECT_STEP_TIMEOUT_MS));
    buf_put_u64(b, (uint64_t)total_ms);
}

void connect_request_free(struct connect_request **request)
{
    struct connect_request *rq = take(request);

    if (!rq) {
        return;
    }
    free(rq->agent_socket);
    free(rq->user);
    free(rq->host);
    free(rq->command);
    text_list_free(&rq->known_hosts);
    free(rq->known_hosts_text);
    buf_deinit(&rq->only_key);
    free(rq);
}

static bool is_time(int64_t ms)
{
    return ms > 0 && ms <= CONNECT_TIMEOUT_MAX_MS;
}

/* The host's name is checked where it is used, by connect_known_new(). */
static struct err *check_request(const struct connect_request *rq)
{
    size_t user_len = strlen(rq->user);

    if (user_len == 0 || user_len > CONNECT_USER_MAX_BYTES) {
        return err_new(ERR_INPUT, "a user's name has 1 to %d bytes", CONNECT_USER_MAX_BYTES);
    }
    if (rq->port == 0 || rq->port > UINT16_MAX) {
        return err_new(ERR_INPUT, "%u is no port", rq->port);
    }
    if (rq->command && strlen(rq->command) > CONNECT_COMMAND_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a command has at most %d bytes", CONNECT_COMMAND_MAX_BYTES);
    }
    if (rq->known_hosts_text && strlen(rq->known_hosts_text) > CONNECT_KNOWN_TEXT_MAX_BYTES) {
        return err_new(ERR_LIMIT, "lines of known hosts have at most %d bytes",
                       CONNECT_KNOWN_TEXT_MAX_BYTES);
    }
    if (!is_time(rq->step_timeout_ms) || !is_time(rq->total_ms)) {
        return err_new(ERR_INPUT, "a time to wait is more than 0 and at most %d ms",
                       CONNECT_TIMEOUT_MAX_MS);
    }
    return NULL;
}

struct err *connect_request_get(struct rd *r, struct connect_request **ret)
{
    AUTO(connect_request_free) struct connect_request *rq = calloc(1, sizeof *rq);
    struct view only;
    struct err *e;

    if (!rq) {
        return err_nomem();
    }
    buf_init(&rq->only_key, SSH_BLOB_MAX_BYTES);
    rq->agent_socket = rd_cstr(r);
    rq->user = rd_cstr(r);
    rq->host = rd_cstr(r);
    rq->port = rd_u32(r);
    rq->known_hosts = text_list_get(r, CONNECT_KNOWN_FILES_MAX);
    rq->known_hosts_text = get_optional(r);
    only = rd_string(r);
    buf_put(&rq->only_key, only.p, only.len);
    rq->command = get_optional(r);
    rq->step_timeout_ms = (int64_t)rd_u64(r);
    rq->total_ms = (int64_t)rd_u64(r);
    e = rd_end(r, "a connection request");
    if (!e) {
        e = buf_check(&rq->only_key, "a key to offer");
    }
    if (!e && !(rq->agent_socket && rq->user && rq->host)) {
        e = err_nomem();
    }
    if (!e) {
        e = check_request(rq);
    }
    if (!e) {
        *ret = take(&rq);
    }
    return e;
}

static void put_err(struct buf *b, const struct err *e)
{
    buf_put_bool(b, e != NULL);
    if (e) {
        err_put(b, e);
    }
}

/* Reads the step and the error that messages share. */
static struct err *get_step(struct rd *r, enum connect_step *ret)
{
    uint32_t step = rd_u32(r);

    if (step >= CONNECT_STEPS) {
        return err_new(ERR_PROTOCOL, "%u is no step of a connection", step);
    }
    *ret = (enum connect_step)step;
    return NULL;
}

void connect_event_put(struct buf *b, const struct connect_event *event)
{
    buf_put_u32(b, event->step);
    buf_put_bool(b, event->ok);
    buf_put_u64(b, (uint64_t)event->took_ms);
    buf_put_cstr(b, event->text ? event->text : "");
    buf_put_string(b, event->output);
    buf_put_bool(b, event->is_stderr);
    put_err(b, event->err);
}

struct err *connect_event_get(struct rd *r, struct connect_event *ret, char **ret_text,
                              struct err **ret_err)
{
    AUTO(auto_free) char *text = NULL;
    AUTO(err_free) struct err *carried = NULL;
    struct connect_event event = {0};
    struct err *e = get_step(r, &event.step);

    if (!e && event.step == 0) {
        e = err_new(ERR_PROTOCOL, "a connection event without a step");
    }
    if (e) {
        return e;
    }
    event.ok = rd_bool(r);
    event.took_ms = (int64_t)rd_u64(r);
    text = rd_cstr(r);
    event.output = rd_string(r);
    event.is_stderr = rd_bool(r);
    if (rd_bool(r)) {
        carried = err_get(r);
    }
    e = rd_end(r, "a connection event");
    if (e) {
        return e;
    }
    if (!text) {
        return err_nomem();
    }
    event.text = *ret_text = take(&text);
    event.err = *ret_err = take(&carried);
    *ret = event;
    return NULL;
}

void connect_result_put(struct buf *b, const struct connect_result *result)
{
    buf_put_u32(b, result->failed);
    buf_put_u32(b, (uint32_t)result->exit_status);
    put_err(b, result->err);
}

struct err *connect_result_get(struct rd *r, struct connect_result *ret)
{
    AUTO(err_free) struct err *carried = NULL;
    struct connect_result result = {0};
    struct err *e = get_step(r, &result.failed);

    if (e) {
        return e;
    }
    result.exit_status = (int)rd_u32(r);
    if (rd_bool(r)) {
        carried = err_get(r);
    }
    e = rd_end(r, "a connection result");
    if (!e && (carried != NULL) != (result.failed != 0)) {
        e = err_new(ERR_PROTOCOL, "a connection result that is neither failure nor success");
    }
    if (!e) {
        result.err = take(&carried);
        *ret = result;
    }
    return e;
}
