#ifndef CONTROL_SUPPORT_H
#define CONTROL_SUPPORT_H

/*
 * A real server on a socket in a folder of its own, and clients that share its thread: a client writes,
 * then pump() turns the loop until its answer is whole. The parts behind are in fake_parts.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/fake_parts.h"
#include "control/json.h"

enum { PATIENCE_MS = 20 * 1000, IN_MAX_BYTES = 16 * 1024 * 1024 };

static char folder[80], socket_path[100];
static struct io_loop *loop;
static struct control *control;
static struct control_deps deps;
static bool without_registry, without_vault; /* of the next server */

static inline void count(void *arg, struct control_counters *ret)
{
    (void)arg;
    *ret = (struct control_counters){
        .connections = 5, .lists = 4, .signs = 3, .refused = 2, .failed = 1, .open = 6};
}

static bool without_identity;

/* One SSH key of the registry is an identity: the first of the world. */
static char *vault_of(void *arg, const char *scope, const char *id)
{
    (void)arg;
    return text_eq(scope, "org/acme") && text_eq(id, "main") ? text_copy("acme.main") : NULL;
}

/* A change of the registry is being applied. */
static bool registry_busy;

static inline bool is_busy(void *arg)
{
    (void)arg;
    return registry_busy;
}

static inline struct identity *identity_of(void *arg, const char *scope, const char *id)
{
    (void)arg;
    return !without_identity && text_eq(scope, "org/acme") && text_eq(id, "deploy")
               ? &fake.identity[0]
               : NULL;
}

static inline void start_server(void)
{
    static const struct signer *const signers[] = {&fake_signers[0], &fake_signers[1]};
    AUTO(err_free) struct err *e = NULL;
    int fd = -1;

    e = io_loop_new(&loop);
    assert_null(e);
    e = io_listen_bind(socket_path, &fd);
    assert_null(e);
    deps.loop = loop;
    deps.vault = without_vault ? NULL : (struct vault *)&fake;
    deps.signers = signers;
    deps.signers_n = ARRAY_LEN(signers);
    deps.agent_socket = "/run/agent.sock";
    deps.config_file = "holdfast.yaml";
    deps.counters = count;
    deps.registry = without_registry ? NULL : (struct registry *)&reg;
    deps.audit = (struct audit *)&fake;
    deps.identity_of = identity_of;
    deps.registry_is_busy = is_busy;
    deps.vault_of = vault_of;
    e = control_new(&deps, fd, socket_path, &control);
    assert_null(e);
}

static inline int begin(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/hf-control-XXXXXX", base != NULL ? base : P_tmpdir);
    assert_non_null(mkdtemp(folder));
    snprintf(socket_path, sizeof socket_path, "%s/c", folder);
    memset(&deps, 0, sizeof deps);
    fake_world();
    start_server();
    return 0;
}

static inline int end(void **state)
{
    char lock[108];

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    assert_int_equal(access(socket_path, F_OK), -1);
    snprintf(lock, sizeof lock, "%s.lock", socket_path);
    unlink(lock);
    assert_int_equal(rmdir(folder), 0);
    fake_clear();
    reg_clear();
    memset(&look, 0, sizeof look);
    return 0;
}

static inline void turn(void)
{
    event_base_loop(io_loop_base(loop), EVLOOP_NONBLOCK);
}

/** pump() - turn the loop until @done says so */
static inline void pump(bool (*done)(void *arg), void *arg)
{
    struct mono until = mono_in(PATIENCE_MS);

    while (!done(arg)) {
        assert_false(mono_passed(until));
        turn();
        poll(NULL, 0, 1);
    }
}

/** A client, and the answer it is reading. */
struct client {
    int fd;
    char *in;
    size_t len;
    bool eof;
    int status;
    char headers[4096];
    char *body;  /* as sent; of a chunked answer the pieces joined */
    size_t used; /* bytes of in that the answer took */
};

static inline void client_open(struct client *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(c, 0, sizeof *c);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->in = calloc(1, IN_MAX_BYTES + 1);
    assert_non_null(c->in);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static inline void client_close(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->in);
    free(c->body);
    *c = (struct client){.fd = -1};
}

/** client_write() - all of it, turning the loop while the socket is full; false: it was closed */
static inline bool client_write(struct client *c, const char *text, size_t len)
{
    struct mono until = mono_in(PATIENCE_MS);

    while (len > 0) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            return false;
        }
        assert_false(mono_passed(until));
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        turn();
    }
    return true;
}

static inline void client_say(struct client *c, const char *text)
{
    assert_true(client_write(c, text, strlen(text)));
}

static inline void client_read(struct client *c)
{
    ssize_t n;

    while (c->len < IN_MAX_BYTES && (n = read(c->fd, c->in + c->len, IN_MAX_BYTES - c->len)) > 0) {
        c->len += (size_t)n;
    }
    c->eof = c->len < IN_MAX_BYTES && (n == 0 || errno != EAGAIN);
    c->in[c->len] = '\0';
}

static inline bool take_chunks(struct client *c, char *p)
{
    char *end_of_in = c->in + c->len;
    size_t out = 0;

    free(c->body);
    c->body = calloc(1, c->len + 1);
    for (;;) {
        char *line_end = strstr(p, "\r\n");

        if (line_end == NULL) {
            return false;
        }
        size_t n = strtoul(p, NULL, 16);

        p = line_end + 2;
        if ((size_t)(end_of_in - p) < n + 2) {
            return false;
        }
        memcpy(c->body + out, p, n);
        out += n;
        p += n + 2;
        if (n == 0) {
            c->used = (size_t)(p - c->in);
            return true;
        }
    }
}

static inline bool has_answer(void *arg)
{
    struct client *c = arg;

    client_read(c);
    char *head_end = strstr(c->in, "\r\n\r\n");

    if (head_end == NULL) {
        return c->eof;
    }
    size_t head = (size_t)(head_end + 4 - c->in);
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    size_t n = length != NULL && length < head_end ? strtoul(length + 17, NULL, 10) : 0;

    assert_true(head < sizeof c->headers);
    memcpy(c->headers, c->in, head);
    c->headers[head] = '\0';
    c->status = atoi(c->in + strlen("HTTP/1.1 "));
    if (strcasestr(c->headers, "transfer-encoding: chunked") != NULL) {
        return take_chunks(c, head_end + 4) || c->eof;
    }
    if (c->len < head + n) {
        return c->eof;
    }
    free(c->body);
    c->body = strndup(c->in + head, n);
    c->used = head + n;
    return true;
}

/** client_answer() - wait for one whole answer; what came after it stays for the next */
static inline void client_answer(struct client *c)
{
    memmove(c->in, c->in + c->used, c->len - c->used + 1);
    c->len -= c->used;
    c->used = 0;
    c->status = 0;
    pump(has_answer, c);
}

static inline bool is_closed(void *arg)
{
    struct client *c = arg;

    client_read(c);
    return c->eof;
}

static inline bool was_called(void *arg)
{
    return fake.calls == *(unsigned *)arg;
}

static inline bool has_connect(void *arg)
{
    (void)arg;
    return fake.connects > fake.connects_freed;
}

static const char *more_headers = ""; /* of the requests to come: "Name: value\r\n" */

static inline void send_request(struct client *c, const char *method, const char *path,
                                const char *body)
{
    AUTO(auto_free) char *text =
        text_fmt("%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
                 more_headers, body != NULL ? strlen(body) : 0, body != NULL ? body : "");

    client_say(c, text);
}

static inline bool reg_was_called(void *arg)
{
    return reg.calls == *(unsigned *)arg;
}

/** reg_await() - until the registry was asked for the @n-th time */
static inline void reg_await(unsigned n)
{
    pump(reg_was_called, &n);
}

static json_t *answer; /* of the last ask() or take_answer(); NULL when it had no JSON */

/** take_answer() - wait for it; the status, the body in `answer` */
static inline int take_answer(struct client *c)
{
    client_answer(c);
    json_decref(answer);
    answer = c->body != NULL ? json_loads(c->body, 0, NULL) : NULL;
    return c->status;
}

/** line_at() - the n-th line of a stream, in `answer` too */
static inline json_t *line_at(struct client *c, size_t n)
{
    const char *p = c->body;

    while (n-- > 0) {
        p = strchr(p, '\n') + 1;
    }
    json_decref(answer);
    answer = json_loads(p, JSON_DISABLE_EOF_CHECK, NULL);
    return answer;
}

/** ask() - one request on a connection of its own; the status, the body in `answer` */
static inline int ask(const char *method, const char *path, const char *body)
{
    struct client c;

    client_open(&c);
    send_request(&c, method, path, body);
    int status = take_answer(&c);

    client_close(&c);
    return status;
}

/** at() - a value of `answer` by "tokens.0.name"; fails when there is none */
static inline json_t *at(const char *path)
{
    json_t *v = answer;

    while (*path != '\0') {
        size_t n = strcspn(path, ".");
        AUTO(auto_free) char *name = strndup(path, n);

        v = json_is_array(v) ? json_array_get(v, strtoul(name, NULL, 10))
                             : json_object_get(v, name);
        if (v == NULL) {
            fail_msg("no %s in the answer", path);
        }
        path += n + (path[n] == '.');
    }
    return v;
}

#define assert_text(path, text) assert_string_equal(json_string_value(at(path)), text)
#define assert_number(path, number) assert_int_equal(json_integer_value(at(path)), number)
#define assert_null_at(path) assert_true(json_is_null(at(path)))

/** assert_problem() - the last answer is an error of this code whose detail has @text */
static inline void assert_problem(const char *code, const char *text)
{
    AUTO(auto_free) char *type = text_fmt("urn:holdfast:error:%s", code);

    assert_text("code", code);
    assert_text("type", type);
    if (strstr(json_string_value(at("detail")), text) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", json_string_value(at("detail")), text);
    }
}

static inline int end_all(void **state)
{
    json_decref(answer);
    answer = NULL;
    return end(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end_all)

#endif
