/* The agent client against agents that answer well, badly, in pieces, or not at all. */
#include <sys/socket.h>
#include <sys/un.h>

#include "connect/agent.h"
#include "ssh/support.h"

/* An agent's end of a fresh connection; the client is @ret. */
static int meet(struct connect_agent **ret)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *path = in_folder("agent.sock");
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    unlink(path);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_ok(connect_agent_new(path, ret));
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    close(listener);
    return peer;
}

static enum connect_progress go(struct connect_agent *a, struct rd *ret)
{
    enum connect_progress progress = CONNECT_AGAIN;

    assert_ok(connect_agent_go(a, ret, &progress));
    return progress;
}

static void send_answer(int fd, uint8_t type, const char *body)
{
    struct buf b;

    buf_init(&b, 0);
    size_t begun = buf_begin_string(&b);
    buf_put_u8(&b, type);
    buf_put(&b, body, strlen(body));
    buf_end_string(&b, begun);
    assert_int_equal(write(fd, b.data, b.len), b.len);
    buf_deinit(&b);
}

static void asks_and_takes_an_answer_in_pieces(void **state)
{
    AUTO(connect_agent_free) struct connect_agent *a = NULL;
    AUTO(auto_close) int peer = meet(&a);
    static const uint8_t list[] = {0, 0, 0, 1, 11}, answer[] = {0, 0, 0, 5, 12, 0, 0, 0, 0};
    static const uint8_t sign[] = {0, 0, 0, 15, 13, 0, 0, 0, 1, 'b', 0, 0, 0, 1, 'd', 0, 0, 0, 4};
    uint8_t asked[64];
    struct rd body;

    (void)state;
    assert_ok(connect_agent_ask_list(a));
    assert_int_equal(go(a, &body), CONNECT_AGAIN);
    assert_int_equal(read(peer, asked, sizeof asked), sizeof list);
    assert_memory_equal(asked, list, sizeof list);
    for (size_t i = 0; i < sizeof answer; i++) {
        assert_int_equal(go(a, &body), CONNECT_AGAIN);
        assert_int_equal(write(peer, &answer[i], 1), 1);
    }
    assert_int_equal(go(a, &body), CONNECT_FINISHED);
    assert_int_equal(rd_u32(&body), 0);
    assert_true(rd_at_end(&body));

    assert_ok(connect_agent_ask_sign(a, view_cstr("b"), view_cstr("d"), 4));
    assert_int_equal(go(a, &body), CONNECT_AGAIN);
    assert_int_equal(read(peer, asked, sizeof asked), 4 + 15);
    assert_memory_equal(asked, sign, 4 + 15);
    send_answer(peer, 14, "x");
    assert_int_equal(go(a, &body), CONNECT_FINISHED);
}

static void answers(const void *bytes, size_t len, bool to_sign, enum err_code code,
                    const char *words)
{
    AUTO(connect_agent_free) struct connect_agent *a = NULL;
    AUTO(auto_close) int peer = meet(&a);
    enum connect_progress progress = CONNECT_AGAIN;
    struct rd body;

    assert_ok(to_sign ? connect_agent_ask_sign(a, view_cstr("b"), view_cstr("d"), 0)
                      : connect_agent_ask_list(a));
    assert_int_equal(go(a, &body), CONNECT_AGAIN);
    assert_int_equal(write(peer, bytes, len), len);
    shutdown(peer, SHUT_WR);
    assert_err_says(connect_agent_go(a, &body, &progress), code, words);
}

static void bad_answers(void **state)
{
    (void)state;
    answers("\0\0\0\1\5", 5, true, ERR_DENIED, "refuses to sign");
    answers("\0\0\0\1\5", 5, false, ERR_DENIED, "refuses to list");
    answers("\0\0\0\1\6", 5, true, ERR_PROTOCOL, "message 6");
    answers("\0\0\0\1\14", 5, true, ERR_PROTOCOL, "message 12");
    answers("\0\0\0\0", 4, true, ERR_LIMIT, "0 bytes");
    answers("\0\4\0\1", 4, true, ERR_LIMIT, "262145 bytes");
    answers("\377\377\377\377", 4, false, ERR_LIMIT, "4294967295");
    for (size_t len = 0; len < 9; len++) {
        answers("\0\0\0\5\14\0\0\0\0", len, false, ERR_GONE, "closed");
    }
}

static void no_agent(void **state)
{
    struct connect_agent *a = NULL;
    char longer[200];

    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_err(connect_agent_new(in_folder("absent.sock"), &a), ERR_NOT_FOUND);
    assert_err(connect_agent_new(longer, &a), ERR_LIMIT);
    assert_null(a);
}

static void request_that_is_too_long(void **state)
{
    AUTO(connect_agent_free) struct connect_agent *a = NULL;
    AUTO(auto_close) int peer = meet(&a);
    AUTO(auto_free) uint8_t *data = calloc(1, CONNECT_AGENT_ANSWER_MAX_BYTES);

    (void)state;
    assert_err(
        connect_agent_ask_sign(a, view_cstr("b"), view_of(data, CONNECT_AGENT_ANSWER_MAX_BYTES), 0),
        ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_and_takes_an_answer_in_pieces),
        cmocka_unit_test(bad_answers),
        cmocka_unit_test(no_agent),
        cmocka_unit_test(request_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
