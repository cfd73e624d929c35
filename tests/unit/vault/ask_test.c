/*
 * A question of holdfast-vault, written and read, damaged, and asked over a real pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vault/ask.h"
#include "vault/break_it.h"

static const struct vault_question sample = {
    .server = "prod",
    .key = "pkcs11:serial=0011;id=%01",
    .scheme = SCHEME_PS384,
    .message = {(const uint8_t *)"to be signed", 12},
};

static void put_sample(struct buf *b)
{
    buf_init(b, 0);
    vault_question_put(b, &sample);
    assert_false(b->failed);
}

static void test_there_and_back(void **state)
{
    AUTO(vault_question_in_deinit) struct vault_question_in in = {0};
    AUTO(buf_deinit) struct buf b;

    (void)state;
    put_sample(&b);
    struct rd r = rd_of(buf_view(&b));

    assert_null(vault_question_get(&r, &in));
    assert_string_equal(in.question.server, sample.server);
    assert_string_equal(in.question.key, sample.key);
    assert_int_equal(in.question.scheme, sample.scheme);
    assert_true(view_eq(in.question.message, sample.message));
}

static struct err *read_it(struct view v)
{
    AUTO(vault_question_in_deinit) struct vault_question_in in = {0};
    struct rd r = rd_of(v);

    return vault_question_get(&r, &in);
}

static bool parse(struct view v)
{
    AUTO(err_free) struct err *e = read_it(v);

    assert_true(e == NULL || err_is(e, ERR_PROTOCOL));
    return e == NULL;
}

static void test_damaged(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    put_sample(&b);
    break_it(buf_view(&b), parse);
}

static void test_limits(void **state)
{
    AUTO(auto_free) uint8_t *long_message = calloc(1, VAULT_MESSAGE_MAX_BYTES + 1);
    const size_t refused[] = {0, VAULT_MESSAGE_MAX_BYTES + 1};
    struct vault_question q = sample;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        AUTO(buf_deinit) struct buf b;

        buf_init(&b, 0);
        q.message = view_of(long_message, refused[i]);
        vault_question_put(&b, &q);
        AUTO(err_free) struct err *e = read_it(buf_view(&b));

        assert_true(err_is(e, ERR_PROTOCOL));
    }
}

/* The agent: takes one question and answers with so many bytes; 0: with an error. */
static struct {
    int fd;
    size_t len;
    struct err *e;
} agent;

static struct err *answer_one(void)
{
    AUTO(buf_deinit) struct buf in;
    AUTO(buf_deinit) struct buf body;
    AUTO(buf_deinit) struct buf out;
    enum ipc_result result;
    struct ipc_frame f;

    buf_init(&in, 0);
    buf_init(&out, 0);
    buf_init(&body, 0);
    struct err *e = ipc_recv(agent.fd, &in, true, &result);

    if (e == NULL) {
        e = ipc_frame_read(buf_view(&in), &f);
    }
    if (e == NULL && f.op != VAULT_ASK_SIGN) {
        e = err_new(ERR_BUG, "operation %u", f.op);
    }
    if (e == NULL) {
        e = read_it(rd_rest(&f.body));
    }
    if (e == NULL && agent.len > 0) {
        memset(buf_reserve(&body, agent.len), 'S', agent.len);
    } else if (e == NULL) {
        AUTO(err_free) struct err *no = err_new(ERR_DENIED, "not this key");

        err_put(&body, no);
    }
    if (e == NULL) {
        e = ipc_frame_make(&out, f.id, agent.len > 0 ? IPC_REPLY_OK : IPC_REPLY_ERR,
                           buf_view(&body));
    }
    return e != NULL ? e : ipc_send(agent.fd, buf_view(&out), true, &result);
}

static void *run_agent(void *arg)
{
    (void)arg;
    agent.e = answer_one();
    return NULL;
}

static struct err *ask_agent(size_t len, struct buf *sig)
{
    pthread_t thread;
    int fd[2];

    assert_null(ipc_pair(fd));
    agent.fd = fd[0];
    agent.len = len;
    assert_int_equal(pthread_create(&thread, NULL, run_agent, NULL), 0);
    struct err *e = vault_ask_signature(fd[1], &sample, mono_in(10 * 1000), sig);

    pthread_join(thread, NULL);
    assert_null(agent.e);
    ipc_close(&fd[0]);
    ipc_close(&fd[1]);
    return e;
}

static void test_a_signature(void **state)
{
    AUTO(buf_deinit) struct buf sig;

    (void)state;
    buf_init(&sig, 0);
    assert_null(ask_agent(96, &sig));
    assert_int_equal(sig.len, 96);
    assert_int_equal(sig.data[95], 'S');
}

static void test_no_signature(void **state)
{
    AUTO(buf_deinit) struct buf sig;

    (void)state;
    buf_init(&sig, 0);
    AUTO(err_free) struct err *e = ask_agent(0, &sig);

    assert_true(err_is(e, ERR_DENIED));
    assert_string_equal(err_text(e), "signature of pkcs11:serial=0011;id=%01: not this key");
    err_free(&e);
    e = ask_agent(4096, &sig);
    assert_true(err_is(e, ERR_PROTOCOL));
    assert_int_equal(sig.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_a_signature),
        cmocka_unit_test(test_no_signature),
    };

    return cmocka_run_group_tests_name("vault/ask", tests, NULL, NULL);
}
