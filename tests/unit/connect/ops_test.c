/* What the agent and holdfast-connect say to each other: whole, cut and damaged. */
#include "connect/ops.h"
#include "ssh/support.h"

static char *files[] = {(char *)(uintptr_t)"one", (char *)(uintptr_t)"two", NULL};

static const struct connect_conf full = {
    .agent_socket = "agent.sock",
    .user = "alice",
    .host = "web",
    .port = 2222,
    .known_hosts = files,
    .known_hosts_text = "web ssh-ed25519 AAAA",
    .only_key = {(const uint8_t *)"blob", 4},
    .command = "true",
    .step_timeout_ms = 700,
};

static struct err *round_trip(const struct connect_conf *conf, int64_t total_ms,
                              struct connect_request **ret)
{
    struct buf b;
    struct rd r;

    buf_init(&b, 0);
    connect_request_put(&b, conf, total_ms);
    r = rd_of(buf_view(&b));
    struct err *e = connect_request_get(&r, ret);
    buf_deinit(&b);
    return e;
}

static void requests(void **state)
{
    AUTO(connect_request_free) struct connect_request *rq = NULL;

    (void)state;
    assert_ok(round_trip(&full, 5000, &rq));
    assert_string_equal(rq->agent_socket, "agent.sock");
    assert_string_equal(rq->user, "alice");
    assert_string_equal(rq->host, "web");
    assert_int_equal(rq->port, 2222);
    assert_int_equal(text_list_len(rq->known_hosts), 2);
    assert_string_equal(rq->known_hosts[1], "two");
    assert_string_equal(rq->known_hosts_text, "web ssh-ed25519 AAAA");
    assert_true(view_is(buf_view(&rq->only_key), "blob"));
    assert_string_equal(rq->command, "true");
    assert_int_equal(rq->step_timeout_ms, 700);
    assert_int_equal(rq->total_ms, 5000);
}

static void request_of_defaults(void **state)
{
    AUTO(connect_request_free) struct connect_request *rq = NULL, *none = NULL;
    struct connect_conf conf = full;
    char *no_files[] = {NULL};

    (void)state;
    conf.known_hosts = NULL;
    conf.known_hosts_text = NULL;
    conf.only_key = (struct view){0};
    conf.command = NULL;
    conf.step_timeout_ms = 0;
    assert_ok(round_trip(&conf, 5000, &rq));
    assert_null(rq->known_hosts);
    assert_null(rq->known_hosts_text);
    assert_null(rq->command);
    assert_int_equal(rq->only_key.len, 0);
    assert_int_equal(rq->step_timeout_ms, CONNECT_STEP_TIMEOUT_MS);
    conf.known_hosts = no_files; /* no files at all is not the usual ones */
    assert_ok(round_trip(&conf, 5000, &none));
    assert_non_null(none->known_hosts);
    assert_int_equal(text_list_len(none->known_hosts), 0);
}

static void requests_that_cannot_work(void **state)
{
    AUTO(auto_free) char *huge = calloc(1, CONNECT_COMMAND_MAX_BYTES + 2);
    AUTO(auto_free) char *lines = calloc(1, CONNECT_KNOWN_TEXT_MAX_BYTES + 2);
    struct connect_request *rq = NULL;
    struct connect_conf conf;

    (void)state;
    memset(huge, 'x', CONNECT_COMMAND_MAX_BYTES + 1);
#define WITHOUT(field, value, code)                                                                \
    conf = full;                                                                                   \
    conf.field = (value);                                                                          \
    assert_err(round_trip(&conf, 5000, &rq), code)
    WITHOUT(user, "", ERR_INPUT);
    WITHOUT(user, huge, ERR_INPUT);
    WITHOUT(port, 0, ERR_INPUT);
    WITHOUT(port, 65536, ERR_INPUT);
    WITHOUT(command, huge, ERR_LIMIT);
    memset(lines, 'x', CONNECT_KNOWN_TEXT_MAX_BYTES + 1);
    WITHOUT(known_hosts_text, lines, ERR_LIMIT);
    WITHOUT(step_timeout_ms, -1, ERR_INPUT);
    WITHOUT(step_timeout_ms, CONNECT_TIMEOUT_MAX_MS + 1LL, ERR_INPUT);
    assert_err(round_trip(&full, 0, &rq), ERR_INPUT);
    char *many[] = {huge, huge, huge, huge, huge, huge, huge, huge, huge, NULL};
    huge[1] = '\0';
    WITHOUT(known_hosts, many, ERR_PROTOCOL);
    assert_null(rq);
}

static void check_request(struct view bytes, void *arg)
{
    AUTO(connect_request_free) struct connect_request *rq = NULL;
    struct rd r = rd_of(bytes);
    AUTO(err_free) struct err *e = connect_request_get(&r, &rq);

    assert_true(!e == (rq != NULL));
    if (rq) {
        assert_true(rq->port >= 1 && rq->port <= 65535 && *rq->user && rq->total_ms > 0);
    }
    *(size_t *)arg += !e;
}

static void check_event(struct view bytes, void *arg)
{
    AUTO(auto_free) char *text = NULL;
    AUTO(err_free) struct err *carried = NULL;
    struct connect_event event = {0};
    struct rd r = rd_of(bytes);
    AUTO(err_free) struct err *e = connect_event_get(&r, &event, &text, &carried);

    assert_true(!e == (text != NULL));
    assert_true(e || (event.step >= CONNECT_RESOLVE && event.step < CONNECT_STEPS));
    *(size_t *)arg += !e;
}

static void check_result(struct view bytes, void *arg)
{
    struct connect_result result = {0};
    struct rd r = rd_of(bytes);
    AUTO(err_free) struct err *e = connect_result_get(&r, &result);

    assert_true(e || (result.err != NULL) == (result.failed != 0));
    err_free(&result.err);
    *(size_t *)arg += !e;
}

static void damage(const struct buf *b, void (*check)(struct view, void *))
{
    size_t worked = 0;

    each_truncation(buf_view(b), check, &worked);
    assert_int_equal(worked, 0);
    each_flip(buf_view(b), check, &worked);
    assert_true(worked > 0);
}

static void damaged_requests(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    connect_request_put(&b, &full, 5000);
    damage(&b, check_request);
    buf_deinit(&b);
}

static void events(void **state)
{
    AUTO(auto_free) char *text = NULL;
    AUTO(err_free) struct err *carried = NULL, *sent = err_new(ERR_DENIED, "no");
    struct connect_event event = {
        .step = CONNECT_AUTH,
        .took_ms = 12,
        .text = "a text",
        .err = sent,
        .output = {(const uint8_t *)"\0out", 4},
        .is_stderr = true,
    };
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    connect_event_put(&b, &event);
    struct rd r = rd_of(buf_view(&b));
    event = (struct connect_event){0};
    assert_ok(connect_event_get(&r, &event, &text, &carried));
    assert_int_equal(event.step, CONNECT_AUTH);
    assert_false(event.ok);
    assert_true(event.is_stderr);
    assert_int_equal(event.took_ms, 12);
    assert_string_equal(event.text, "a text");
    assert_true(err_is(event.err, ERR_DENIED));
    assert_true(view_eq(event.output, view_of("\0out", 4)));
    damage(&b, check_event);
    buf_deinit(&b);
}

static void results(void **state)
{
    AUTO(err_free) struct err *sent = err_new(ERR_TIMEOUT, "late");
    struct connect_result result = {.exit_status = 255};
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    connect_result_put(&b, &result);
    struct rd r = rd_of(buf_view(&b));
    assert_ok(connect_result_get(&r, &result));
    assert_int_equal(result.exit_status, 255);
    assert_null(result.err);
    damage(&b, check_result);

    buf_clear(&b);
    result = (struct connect_result){.failed = CONNECT_TCP, .err = sent};
    connect_result_put(&b, &result);
    r = rd_of(buf_view(&b));
    assert_ok(connect_result_get(&r, &result));
    assert_int_equal(result.failed, CONNECT_TCP);
    assert_true(err_is(result.err, ERR_TIMEOUT));
    err_free(&result.err);
    damage(&b, check_result);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(request_of_defaults),
        cmocka_unit_test(requests_that_cannot_work),
        cmocka_unit_test(damaged_requests),
        cmocka_unit_test(events),
        cmocka_unit_test(results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
