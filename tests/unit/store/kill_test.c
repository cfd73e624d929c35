/* SIGKILL at random moments, 500 times over: whatever was acknowledged is there, nothing is half done,
 * and the file stays whole. The child counts: each commit changes the counter, adds one item that refers
 * to it, and removes an old one. */
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "store/support_sqlite.h"

enum { ROUNDS = 500, KEPT = 5, ACKS_MAX = 6, DELAY_MAX_US = 4000, ANEW_EVERY = 25 };

static uint32_t random_state = 20261123;

/* Numbers without any rhythm are enough. */
static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static const struct store_key counter = {"counter", "account", "n"};

static uint32_t read_counter(void)
{
    AUTO(answer_deinit) struct answer a = get("counter", "account", "n");

    if (err_is(a.e, ERR_NOT_FOUND)) {
        return 0;
    }
    assert_ok(take(&a.e));
    return (uint32_t)atoi(a.entries[0].body);
}

static void item_name(char *out, size_t size, uint32_t n)
{
    snprintf(out, size, "item_%09u", n);
}

static void count_to(uint32_t n)
{
    char body[16], added[32], removed[32];

    snprintf(body, sizeof body, "%u", n);
    item_name(added, sizeof added, n);
    item_name(removed, sizeof removed, n > KEPT ? n - KEPT : 0);
    struct store_change c[] = {
        change_of(n == 1 ? STORE_CREATE : STORE_UPDATE, "counter", "account", "n", body),
        change_of(STORE_CREATE, "item", "account", added, body),
        change_of(STORE_DELETE, "item", "account", removed, NULL)};

    c[1].entry.refs = (struct store_key *)&counter;
    c[1].entry.refs_n = 1;
    assert_ok(commit(c, n > KEPT ? 3 : 2));
}

/* Never returns. */
static void be_child(int acks)
{
    if (io_loop_new(&suite.loop) != NULL || open_sqlite(&suite.store) != NULL) {
        _exit(1);
    }
    for (uint32_t n = read_counter() + 1;; n++) {
        count_to(n);
        if (write(acks, &n, sizeof n) != sizeof n) {
            _exit(2);
        }
    }
}

/* Waits for some acknowledgements (0: perhaps before it has even opened the file), then a little. */
static uint32_t wait_for(int acks, uint32_t wanted)
{
    uint32_t last = 0;

    for (uint32_t i = 0; i < wanted; i++) {
        struct pollfd p = {.fd = acks, .events = POLLIN};

        assert_int_equal(poll(&p, 1, GUARD_MS), 1);
        assert_int_equal(read(acks, &last, sizeof last), sizeof last);
    }
    const struct timespec delay = {.tv_nsec = (long)draw(DELAY_MAX_US) * 1000};

    nanosleep(&delay, NULL);
    return last;
}

/* What the killed child left; @acked was promised. */
static uint32_t assert_state(uint32_t acked)
{
    const struct store_query q = {.kind = "item", .scope = "account", .limit = 100};

    assert_ok(open_sqlite(&suite.store)); /* checks integrity and references */
    uint32_t n = read_counter();

    assert_in_range(n, acked, acked + 1);
    AUTO(answer_deinit) struct answer a = page(&q);

    assert_ok(take(&a.e));
    assert_int_equal(a.n, n < KEPT ? n : KEPT);
    for (size_t i = 0; i < a.n; i++) {
        char name[32];

        item_name(name, sizeof name, n - (uint32_t)(a.n - 1 - i));
        assert_string_equal(a.entries[i].key.id, name);
    }
    store_free(&suite.store);
    return n;
}

static void remove_database(void)
{
    unlink(in_folder("registry.db"));
    unlink(in_folder("registry.db-wal"));
    unlink(in_folder("registry.db-shm"));
}

static uint32_t one_round(uint32_t before)
{
    uint32_t wanted = draw(ACKS_MAX), more;
    int fds[2], status;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        be_child(fds[1]);
    }
    close(fds[1]);
    uint32_t acked = wait_for(fds[0], wanted);

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &more, sizeof more) == sizeof more) {
        acked = more;
    }
    close(fds[0]);
    return assert_state(acked > before ? acked : before);
}

static void test_kill_at_random_moments(void **state)
{
    uint32_t n = 0, all = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % ANEW_EVERY == 0) {
            remove_database();
            all += n;
            n = 0;
        }
        n = one_round(n);
    }
    printf("%d kills, %u commits\n", ROUNDS, all + n);
    assert_true(all + n > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_at_random_moments, folder_setup, folder_teardown),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
