/*
 * Framed connections over real socket pairs: frames in any packaging, shares of a round,
 * back-pressure both ways, hostile lengths, and callbacks that send or free.
 */
#include <malloc.h>

#include "io/support.h"

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc comes without its header */
#endif

enum { FRAMES_MAX = 400 };

struct client {
    int fd; /* the client's end */
    struct io_conn *conn;
    unsigned frames, closed;
    bool echo, free_in_frame, free_in_close;
    unsigned stop_after; /* frames */
    enum err_code why;   /* 0: a plain end */
    struct buf last;
};

static struct client a, b;
static struct client *order[FRAMES_MAX]; /* whose frames came when */
static unsigned ordered;

static void on_frame(void *arg, struct view frame)
{
    struct client *c = arg;

    c->frames++;
    assert_true(ordered < FRAMES_MAX);
    order[ordered++] = c;
    buf_clear(&c->last);
    buf_put(&c->last, frame.p, frame.len);
    if (c->echo) {
        io_conn_send(c->conn, frame);
    }
    if (c->free_in_frame) {
        io_conn_free(&c->conn);
    }
    if (c->frames == c->stop_after) {
        stop();
    }
}

static void on_close(void *arg, const struct err *why)
{
    struct client *c = arg;

    c->closed++;
    c->why = why != NULL ? err_code(why) : (enum err_code)0;
    if (c->free_in_close) {
        io_conn_free(&c->conn);
    }
    c->conn = NULL;
    stop();
}

static const struct io_conn_ops ops = {.on_frame = on_frame, .on_close = on_close};
static const struct io_conn_limits usual = {.frame_max_bytes = 256 * 1024,
                                            .out_max_bytes = 512 * 1024,
                                            .frames_per_round = 4,
                                            .pending_max = 64};

static void open_client(struct client *c, const struct io_conn_limits *limits)
{
    int fd[2];

    *c = (struct client){0};
    buf_init(&c->last, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    c->fd = fd[0];
    assert_null(io_conn_new(loop, fd[1], limits, &ops, c, &c->conn));
}

static void close_client(struct client *c)
{
    io_conn_free(&c->conn);
    auto_close(&c->fd);
    buf_deinit(&c->last);
}

static int set_up(void **state)
{
    new_loop(state);
    ordered = 0;
    open_client(&a, &usual);
    open_client(&b, &usual);
    return 0;
}

static int tear_down(void **state)
{
    close_client(&a);
    close_client(&b);
    return free_loop(state);
}

static void say(const struct client *c, const void *bytes, size_t len)
{
    assert_int_equal(send(c->fd, bytes, len, MSG_NOSIGNAL), len);
}

static void say_frames(const struct client *c, unsigned n, const char *text)
{
    AUTO(buf_deinit) struct buf out;

    buf_init(&out, 0);
    for (unsigned i = 0; i < n; i++) {
        buf_put_cstr(&out, text);
    }
    say(c, out.data, out.len);
}

static void test_whole_frames(void **state)
{
    (void)state;
    a.stop_after = 3;
    say_frames(&a, 3, "frame");
    run();
    assert_int_equal(a.frames, 3);
    assert_true(view_is(buf_view(&a.last), "frame"));
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    const char bytes[] = "\0\0\0\5hello\0\0\0\1x";

    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        say(&a, bytes + i, 1);
        run_rounds(2);
    }
    assert_int_equal(a.frames, 2);
    assert_true(view_is(buf_view(&a.last), "x"));
    assert_int_equal(a.closed, 0);
}

static void test_largest_frame_comes_back(void **state)
{
    AUTO(buf_deinit) struct buf out;
    AUTO(auto_free) uint8_t *in = malloc(usual.frame_max_bytes + 4);
    size_t sent = 0, got = 0;

    (void)state;
    buf_init(&out, 512 * 1024);
    buf_put_u32(&out, (uint32_t)usual.frame_max_bytes);
    for (size_t i = 0; i < usual.frame_max_bytes; i++) {
        buf_put_u8(&out, (uint8_t)(i * 7 + i / 251));
    }
    a.echo = true;
    for (unsigned i = 0; i < 1000 && got < out.len; i++) {
        ssize_t n = send(a.fd, out.data + sent, out.len - sent, MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        run_rounds(1);
        n = recv(a.fd, in + got, out.len - got, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got, out.len);
    assert_memory_equal(in, out.data, out.len);
    assert_int_equal(a.closed, 0);
}

static void expect_close(enum err_code why)
{
    run();
    assert_int_equal(a.closed, 1);
    assert_int_equal(a.why, why);
    assert_null(a.conn);
}

static void test_empty_frame_closes(void **state)
{
    (void)state;
    say(&a, "\0\0\0\0", 4);
    expect_close(ERR_PROTOCOL);
}

static void test_four_gigabytes_close(void **state)
{
    (void)state;
    say(&a, "\xff\xff\xff\xff", 4);
    expect_close(ERR_PROTOCOL);
    assert_int_equal(a.frames, 0);
}

static void test_one_byte_too_many_closes(void **state)
{
    (void)state;
    say_frames(&a, 2, "good");
    say(&a, "\0\4\0\1", 4);
    expect_close(ERR_PROTOCOL);
    assert_int_equal(a.frames, 2);
}

static void test_peer_leaves(void **state)
{
    (void)state;
    a.free_in_close = true; /* allowed, needless */
    say_frames(&a, 1, "last");
    auto_close(&a.fd);
    expect_close((enum err_code)0);
    assert_int_equal(a.frames, 1);
}

static void test_peer_leaves_in_a_frame(void **state)
{
    (void)state;
    say(&a, "\0\0\0\5hel", 7);
    auto_close(&a.fd);
    expect_close(ERR_PROTOCOL);
}

static void test_half_frame_and_silence(void **state)
{
    const struct io_conn_limits limits = {100, 1000, 4, 4, .slow_ms = 20};

    (void)state;
    close_client(&a);
    open_client(&a, &limits);
    say(&a, "\0\0\0\5hel", 7);
    expect_close(ERR_TIMEOUT);
}

static void test_silence_between_frames_is_fine(void **state)
{
    const struct io_conn_limits limits = {100, 1000, 4, 4, .slow_ms = 10};
    struct io_timer *t = io_timer_new(loop, stop_by_timer, NULL);

    (void)state;
    close_client(&a);
    open_client(&a, &limits);
    say(&a, "\0\0\0\5hel", 7);
    run_rounds(2); /* the half frame has its limit */
    say(&a, "lo", 2);
    io_timer_set(t, mono_in(60));
    run();
    assert_int_equal(a.frames, 1);
    assert_int_equal(a.closed, 0);
    io_timer_free(&t);
}

static void test_rounds_are_shared(void **state)
{
    unsigned b_at = 0;

    (void)state;
    a.echo = true;
    b.echo = true;
    b.stop_after = 1;
    say_frames(&a, 60, "flood");
    say_frames(&b, 1, "small");
    run();
    while (order[b_at] != &b) {
        b_at++;
    }
    assert_in_range(b_at, 0, 2 * usual.frames_per_round);
    a.stop_after = 60;
    run();
    assert_int_equal(a.frames, 60);
}

static void test_pending_frames_stop_the_reading(void **state)
{
    const struct io_conn_limits limits = {100, 1000, 4, .pending_max = 3};

    (void)state;
    close_client(&a);
    open_client(&a, &limits);
    say_frames(&a, 10, "ask");
    run_rounds(10);
    assert_int_equal(a.frames, 3);
    io_conn_send(a.conn, view_cstr("answer"));
    run_rounds(10);
    assert_int_equal(a.frames, 4);
    a.echo = true; /* each further one is answered at once; two stay open */
    io_conn_send(a.conn, view_cstr("answer"));
    a.stop_after = 10;
    run();
    say_frames(&a, 1, "more");
    a.stop_after = 11;
    run();
}

static void test_slow_reader_holds_up_itself(void **state)
{
    enum { ASKED = 40, BYTES = 64 * 1024 };
    AUTO(auto_free) char *text = calloc(1, BYTES + 1);
    AUTO(auto_free) uint8_t *in = malloc(ASKED * (BYTES + 4));
    size_t got = 0, total = ASKED * (BYTES + 4);

    (void)state;
    memset(text, 'x', BYTES);
    say_frames(&a, ASKED, "q");
    for (unsigned i = 0; i < 30; i++) { /* answer what comes, read nothing */
        run_rounds(1);
        for (unsigned n = 0; n < 4; n++) {
            io_conn_send(a.conn, view_of(text, BYTES));
        }
        if (a.frames < 4 * (i + 1)) {
            break;
        }
    }
    assert_in_range(a.frames, 4, ASKED - 4); /* it was stopped */
    b.echo = true;
    b.stop_after = 1;
    say_frames(&b, 1, "quick"); /* others are served */
    run();
    unsigned answered = a.frames;

    for (unsigned i = 0; i < 10000 && got < total; i++) {
        ssize_t n = recv(a.fd, in + got, total - got, MSG_DONTWAIT);

        got += n > 0 ? (size_t)n : 0;
        run_rounds(1);
        for (; a.frames > answered; answered++) {
            io_conn_send(a.conn, view_of(text, BYTES));
        }
    }
    assert_int_equal(a.frames, ASKED);
    assert_int_equal(a.closed, 0);
    assert_true(got >= (size_t)(ASKED - 4) * (BYTES + 4));
    for (size_t i = 0; i + BYTES + 4 <= got; i += BYTES + 4) {
        assert_memory_equal(in + i, "\0\1\0\0x", 5);
        assert_int_equal(in[i + 4 + BYTES - 1], 'x');
    }
}

static void test_client_that_never_reads_is_closed(void **state)
{
    const struct io_conn_limits limits = {100, 1000, 4, 4, .slow_ms = 20};
    AUTO(auto_free) uint8_t *bytes = calloc(1, 1 << 20);

    (void)state;
    close_client(&a);
    open_client(&a, &limits);
    io_conn_send(a.conn, view_of(bytes, 1 << 20));
    expect_close(ERR_TIMEOUT);
}

static void test_writing_to_one_that_left(void **state)
{
    (void)state;
    shutdown(a.fd, SHUT_RD); /* it still talks, but does not listen */
    say_frames(&a, 1, "ask");
    a.stop_after = 1;
    run();
    io_conn_send(a.conn, view_cstr("answer"));
    assert_int_equal(a.closed, 0); /* later */
    expect_close(ERR_GONE);
}

static void test_free_in_a_frame(void **state)
{
    (void)state;
    a.echo = true;
    a.free_in_frame = true;
    a.stop_after = 1;
    say_frames(&a, 30, "frame");
    run();
    run_rounds(3);
    assert_int_equal(a.frames, 1);
    assert_int_equal(a.closed, 0);
    assert_null(a.conn);
}

static void test_free_while_it_waits_for_its_round(void **state)
{
    (void)state;
    a.stop_after = 4; /* stopped in the middle: the rest waits */
    say_frames(&a, 30, "frame");
    run();
    io_conn_free(&a.conn);
    run_rounds(3);
    assert_int_equal(a.frames, 4);
}

static size_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

static void test_idle_connections_are_cheap(void **state)
{
    enum { MANY = 400, EACH_MAX_BYTES = 768 };
    static struct client many[MANY];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        open_client(&many[i], &usual);
        io_conn_free(&many[i].conn);
        auto_close(&many[i].fd);
    }
    size_t before = allocated();

    for (unsigned i = 0; i < MANY; i++) {
        open_client(&many[i], &usual);
        say_frames(&many[i], 1, "work first, then idle");
        say(&many[i], "\0\0\0", 3);
    }
    run_rounds(30);
    for (unsigned i = 0; i < MANY; i++) {
        io_conn_send(many[i].conn, view_cstr("answer"));
        say(&many[i], "\5hello", 6);
    }
    ordered = 0;
    run_rounds(30);
    size_t lasts = 0;

    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(many[i].frames, 2);
        lasts += many[i].last.cap;
    }
    assert_in_range((allocated() - before - lasts) / MANY, 1, EACH_MAX_BYTES);
    for (unsigned i = 0; i < MANY; i++) {
        close_client(&many[i]);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_whole_frames),
        CASE(test_byte_by_byte),
        CASE(test_largest_frame_comes_back),
        CASE(test_empty_frame_closes),
        CASE(test_four_gigabytes_close),
        CASE(test_one_byte_too_many_closes),
        CASE(test_peer_leaves),
        CASE(test_peer_leaves_in_a_frame),
        CASE(test_half_frame_and_silence),
        CASE(test_silence_between_frames_is_fine),
        CASE(test_rounds_are_shared),
        CASE(test_pending_frames_stop_the_reading),
        CASE(test_slow_reader_holds_up_itself),
        CASE(test_client_that_never_reads_is_closed),
        CASE(test_writing_to_one_that_left),
        CASE(test_free_in_a_frame),
        CASE(test_free_while_it_waits_for_its_round),
        CASE(test_idle_connections_are_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
