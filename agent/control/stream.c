/*
 * Answers in lines, for what takes long and is watched: one JSON object a line, flushed as it comes.
 *
 * A client that left is noticed only by writing, hence the heartbeat. One that stays but does not
 * read must not fill our memory: past CONTROL_STREAM_MAX_BYTES unread the stream is to be ended, and
 * after CONTROL_IDLE_S without progress evhttp closes the connection. The connection is not reused,
 * because its read time-out is switched off for as long as the client only listens.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "control/problem.h"
#include "control/request_impl.h"

static struct bufferevent *bufferevent_of(struct control_request *r)
{
    return evhttp_connection_get_bufferevent(evhttp_request_get_connection(r->http));
}

static void start(struct control_request *r)
{
    const struct timeval write_limit = {.tv_sec = CONTROL_IDLE_S};

    r->streaming = true;
    control_header(r, "Content-Type", "application/x-ndjson");
    control_header(r, "Cache-Control", "no-store");
    control_header(r, "Connection", "close");
    bufferevent_set_timeouts(bufferevent_of(r), NULL, &write_limit);
    evhttp_send_reply_start(r->http, 200, NULL);
}

static void silence_begins(struct control_request *r)
{
    int64_t ms = control_deps_of(r)->heartbeat_ms;

    if (r->heartbeat != NULL) {
        io_timer_set(r->heartbeat, mono_in(ms > 0 ? ms : CONTROL_HEARTBEAT_MS));
    }
}

static void write_line(struct control_request *r, json_t *line)
{
    struct evbuffer *out = evbuffer_new();

    if (!r->streaming) {
        start(r);
    }
    if (out != NULL && control_json_put(out, line)) {
        evhttp_send_reply_chunk(r->http, out);
    }
    if (out != NULL) {
        evbuffer_free(out);
    }
    json_decref(line);
}

static void on_silence(void *arg)
{
    struct control_request *r = arg;

    write_line(r, json_object());
    silence_begins(r);
}

struct err *control_start_lines(struct control_request *r)
{
    r->heartbeat = io_timer_new(control_deps_of(r)->loop, on_silence, r);
    if (r->heartbeat == NULL) {
        return err_nomem();
    }
    silence_begins(r);
    return NULL;
}

bool control_line(struct control_request *r, json_t *line)
{
    write_line(r, line);
    silence_begins(r);
    return evbuffer_get_length(bufferevent_get_output(bufferevent_of(r))) <=
           CONTROL_STREAM_MAX_BYTES;
}

void control_end_lines(struct control_request *r, json_t *line)
{
    struct evhttp_request *http = r->http;

    write_line(r, line);
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), NULL, NULL);
    evhttp_send_reply_end(http);
    control_request_settle(r);
}
