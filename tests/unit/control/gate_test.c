/* Who gets in: our own user, so many at a time, and nobody else. */
#include <sys/wait.h>

#include "control/support.h"

static void test_our_own_user(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/status", NULL), 200);
}

enum { FOREIGN_UID = 65534, REFUSED = 0, ANSWERED = 1, NOT_CONNECTED = 2 };

/* As another user: asks, and tells by its exit status what came back. */
static void be_foreign(int sent)
{
    static const char request[] = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char byte;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (setgid(FOREIGN_UID) < 0 || setuid(FOREIGN_UID) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        _exit(NOT_CONNECTED);
    }
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    close(sent);
    _exit(read(fd, &byte, 1) > 0 ? ANSWERED : REFUSED);
}

struct child {
    pid_t pid;
    int status;
};

static bool has_ended(void *arg)
{
    struct child *c = arg;

    return waitpid(c->pid, &c->status, WNOHANG) == c->pid;
}

static void test_foreign_uid(void **state)
{
    struct child c = {0};
    int sent[2];
    char byte;

    (void)state;
    if (geteuid() != 0) {
        skip(); /* nobody else's uid can be had */
    }
    assert_int_equal(chmod(folder, 0755), 0); /* past the file system, to the gate itself */
    assert_int_equal(chmod(socket_path, 0666), 0);
    assert_int_equal(pipe(sent), 0);
    c.pid = fork();
    if (c.pid == 0) {
        close(sent[0]);
        be_foreign(sent[1]);
    }
    close(sent[1]);
    assert_int_equal(read(sent[0], &byte, 1), 0); /* its request is there before we accept */
    close(sent[0]);
    pump(has_ended, &c);
    assert_true(WIFEXITED(c.status));
    assert_int_equal(WEXITSTATUS(c.status), REFUSED);
    assert_int_equal(ask("GET", "/v1/status", NULL), 200);
}

static void test_too_many(void **state)
{
    struct client c[CONTROL_CONNS_MAX], late;

    (void)state;
    for (size_t i = 0; i < CONTROL_CONNS_MAX; i++) { /* idle ones count, in one round of accepts */
        client_open(&c[i]);
    }
    for (size_t i = 0; i < CONTROL_CONNS_MAX; i++) {
        send_request(&c[i], "GET", "/v1/identities", NULL);
        client_answer(&c[i]);
        assert_int_equal(c[i].status, 200);
    }
    client_open(&late);
    pump(is_closed, &late);
    assert_int_equal(late.len, 0);
    client_close(&late);

    client_close(&c[7]);
    turn();
    assert_int_equal(ask("GET", "/v1/identities", NULL), 200);
    send_request(&c[63], "GET", "/v1/identities", NULL);
    client_answer(&c[63]);
    assert_int_equal(c[63].status, 200);
    for (size_t i = 0; i < CONTROL_CONNS_MAX; i++) {
        client_close(&c[i]);
    }
}

/* Several at once, too many among them: each is judged for itself. */
static void test_too_many_in_one_round(void **state)
{
    struct client c[CONTROL_CONNS_MAX + 6];
    unsigned refused = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        client_open(&c[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        turn();
        client_read(&c[i]);
        refused += c[i].eof;
        assert_int_equal(c[i].len, 0);
    }
    assert_int_equal(refused, 6);
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        client_close(&c[i]);
    }
}

/* One after the other for ever: what has gone is not counted. */
static void test_many_in_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * CONTROL_CONNS_MAX; i++) {
        assert_int_equal(ask("GET", "/v1/identities", NULL), 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_our_own_user),          TEST(test_foreign_uid),   TEST(test_too_many),
        TEST(test_too_many_in_one_round), TEST(test_many_in_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
