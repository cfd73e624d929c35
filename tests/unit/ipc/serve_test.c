/* Do the workers serve each request once, together, and all leave at the end? */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/ipc.h"

enum { TEAM = 6 };
enum op { OP_ECHO = 1, OP_FAIL, OP_GROW, OP_TOGETHER, OP_EVENTS, OP_TOO_LARGE, OP_SIGNALS };

static struct {
    int fd; /* ours */
    pthread_t thread;
    struct err *result; /* of ipc_serve() */
    pthread_barrier_t together;
    atomic_uint started, stopped;
} t;

static struct err *too_large(struct buf *reply)
{
    while (!reply->failed) {
        buf_put_cstr(reply, "more");
    }
    return NULL;
}

static struct err *events(struct ipc_request *r)
{
    struct err *e = ipc_request_event(r, view_cstr("half way"));

    buf_put_cstr(r->reply, "done");
    return e;
}

static struct err *serve(void *helper, void *worker, struct ipc_request *r)
{
    sigset_t blocked;

    assert_ptr_equal(helper, &t);
    assert_non_null(worker);
    switch ((enum op)r->op) {
    case OP_ECHO:
        buf_put(r->reply, r->body.p, r->body.left);
        return NULL;
    case OP_FAIL:
        buf_put_cstr(r->reply, "half an answer");
        return err_add(err_native(ERR_PIN, ERR_DOMAIN_PKCS11, 0xa0, "CKR_PIN_INCORRECT", "C_Login"),
                       "token demo");
    case OP_GROW:
        return ipc_server_grow(r->server, rd_u32(&r->body));
    case OP_TOGETHER: /* returns only when TEAM workers are in here at once */
        pthread_barrier_wait(&t.together);
        return NULL;
    case OP_EVENTS:
        return events(r);
    case OP_TOO_LARGE:
        return too_large(r->reply);
    case OP_SIGNALS:
        pthread_sigmask(SIG_BLOCK, NULL, &blocked);
        buf_put_bool(r->reply, sigismember(&blocked, SIGTERM) == 1);
        buf_put_bool(r->reply, sigismember(&blocked, SIGSEGV) == 1);
        return NULL;
    }
    return err_new(ERR_UNSUPPORTED, "no operation %u", r->op);
}

static void *start(void *helper, unsigned index)
{
    static int states[IPC_WORKERS_MAX];

    (void)helper;
    atomic_fetch_add(&t.started, 1);
    return &states[index];
}

static void stop(void *helper, void *worker)
{
    (void)helper;
    (void)worker;
    atomic_fetch_add(&t.stopped, 1);
}

static void *run(void *arg)
{
    static const struct ipc_server_ops ops = {.serve = serve, .start = start, .stop = stop};

    t.result = ipc_serve(*(int *)arg, &ops, &t);
    return NULL;
}

static int fd_of_helper;

static int set_up(void **state)
{
    int fd[2];

    (void)state;
    assert_null(ipc_pair(fd));
    t.fd = fd[0];
    t.started = 0;
    t.stopped = 0;
    fd_of_helper = fd[1];
    pthread_barrier_init(&t.together, NULL, TEAM);
    return pthread_create(&t.thread, NULL, run, &fd_of_helper);
}

/* The end: every worker that was started has been stopped. */
static struct err *finish(void)
{
    ipc_close(&t.fd);
    pthread_join(t.thread, NULL);
    assert_int_equal(t.started, t.stopped);
    return t.result;
}

static int tear_down(void **state)
{
    (void)state;
    pthread_barrier_destroy(&t.together);
    return 0;
}

static void ask(uint32_t id, uint8_t op, struct view body)
{
    AUTO(buf_deinit) struct buf b;
    enum ipc_result result;

    buf_init(&b, 0);
    assert_null(ipc_frame_make(&b, id, op, body));
    assert_null(ipc_send(t.fd, buf_view(&b), true, &result));
    assert_int_equal(result, IPC_DONE);
}

/* The body stays in @in. */
static struct ipc_frame answer(struct buf *in)
{
    enum ipc_result result;
    struct ipc_frame f;

    assert_null(ipc_recv(t.fd, in, true, &result));
    assert_int_equal(result, IPC_DONE);
    assert_null(ipc_frame_read(buf_view(in), &f));
    return f;
}

static void grow(uint32_t n)
{
    AUTO(buf_deinit) struct buf in, body;

    buf_init(&in, 0);
    buf_init(&body, 0);
    buf_put_u32(&body, n);
    ask(99, OP_GROW, buf_view(&body));
    assert_int_equal(answer(&in).op, IPC_REPLY_OK);
}

static void test_echo(void **state)
{
    AUTO(buf_deinit) struct buf in;
    AUTO(auto_free) uint8_t *large = calloc(1, IPC_FRAME_MAX_BYTES);

    (void)state;
    buf_init(&in, 0);
    ask(5, OP_ECHO, view_cstr("hello"));
    struct ipc_frame f = answer(&in);

    assert_int_equal(f.id, 5);
    assert_int_equal(f.op, IPC_REPLY_OK);
    assert_true(view_is(rd_rest(&f.body), "hello"));
    ask(6, OP_ECHO, view_of(large, IPC_FRAME_MAX_BYTES));
    f = answer(&in);
    assert_int_equal(f.id, 6);
    assert_int_equal(f.body.left, IPC_FRAME_MAX_BYTES);
    ask(7, OP_ECHO, view_of(NULL, 0));
    f = answer(&in);
    assert_int_equal(f.body.left, 0);
    assert_null(finish());
}

static void test_error_is_the_answer(void **state)
{
    AUTO(buf_deinit) struct buf in;

    (void)state;
    buf_init(&in, 0);
    ask(1, OP_FAIL, view_of(NULL, 0));
    struct ipc_frame f = answer(&in);

    assert_int_equal(f.op, IPC_REPLY_ERR);
    AUTO(err_free) struct err *e = err_get(&f.body);

    assert_true(err_is(e, ERR_PIN));
    assert_string_equal(err_text(e), "token demo: C_Login (CKR_PIN_INCORRECT)");
    ask(2, OP_TOO_LARGE, view_of(NULL, 0));
    f = answer(&in);
    assert_int_equal(f.op, IPC_REPLY_ERR);
    AUTO(err_free) struct err *limit = err_get(&f.body);

    assert_true(err_is(limit, ERR_LIMIT));
    ask(3, OP_ECHO, view_cstr("still here"));
    assert_int_equal(answer(&in).op, IPC_REPLY_OK);
    assert_null(finish());
}

static void test_workers_serve_together(void **state)
{
    AUTO(buf_deinit) struct buf in;
    unsigned seen = 0;

    (void)state;
    buf_init(&in, 0);
    grow(TEAM);
    grow(2); /* at least */
    for (uint32_t id = 1; id <= TEAM; id++) {
        ask(id, OP_TOGETHER, view_of(NULL, 0));
    }
    for (unsigned i = 0; i < TEAM; i++) {
        seen |= 1u << answer(&in).id;
    }
    assert_int_equal(seen, (1u << (TEAM + 1)) - 2);
    assert_null(finish());
    assert_int_equal(t.started, TEAM);
}

static void test_workers_are_bounded(void **state)
{
    (void)state;
    grow(1000);
    assert_null(finish());
    assert_int_equal(t.started, IPC_WORKERS_MAX);
}

static void test_events(void **state)
{
    AUTO(buf_deinit) struct buf in;

    (void)state;
    buf_init(&in, 0);
    ask(8, OP_EVENTS, view_of(NULL, 0));
    struct ipc_frame f = answer(&in);

    assert_int_equal(f.op, IPC_REPLY_EVENT);
    assert_int_equal(f.id, 8);
    assert_true(view_is(rd_rest(&f.body), "half way"));
    f = answer(&in);
    assert_int_equal(f.op, IPC_REPLY_OK);
    assert_int_equal(f.id, 8);
    assert_null(finish());
}

static void test_signals_are_for_the_main_thread(void **state)
{
    AUTO(buf_deinit) struct buf in;

    (void)state;
    buf_init(&in, 0);
    ask(1, OP_SIGNALS, view_of(NULL, 0));
    struct ipc_frame f = answer(&in);

    assert_true(rd_bool(&f.body));
    assert_false(rd_bool(&f.body));
    assert_null(finish());
}

static void expect_the_end(void)
{
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result;

    buf_init(&in, 0);
    assert_null(ipc_recv(t.fd, &in, true, &result));
    assert_int_equal(result, IPC_EOF);
    AUTO(err_free) struct err *e = finish();

    assert_true(err_is(e, ERR_PROTOCOL));
}

static void test_garbage_ends_all_workers(void **state)
{
    (void)state;
    grow(3);
    assert_int_equal(send(t.fd, "garbage", 7, 0), 7);
    expect_the_end();
}

static void test_answer_instead_of_request_ends_it(void **state)
{
    (void)state;
    ask(1, IPC_REPLY_OK, view_of(NULL, 0));
    expect_the_end();
}

static void test_id_zero_ends_it(void **state)
{
    (void)state;
    ask(0, OP_ECHO, view_of(NULL, 0));
    expect_the_end();
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_echo),
        CASE(test_error_is_the_answer),
        CASE(test_workers_serve_together),
        CASE(test_workers_are_bounded),
        CASE(test_events),
        CASE(test_signals_are_for_the_main_thread),
        CASE(test_garbage_ends_all_workers),
        CASE(test_answer_instead_of_request_ends_it),
        CASE(test_id_zero_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
