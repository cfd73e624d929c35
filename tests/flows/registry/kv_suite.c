/*
 * kv_suite: the contract's tests of tests/unit/store, on the fleet's store over a real KV v2 engine: the
 * client of holdfast-vault, the helper, and whatever cluster there is at the ADDRESSES. Each test has a
 * place of its own in the engine "kv". While the cluster elects a leader, a store refuses clearly and
 * says that nothing was changed: such a call is made again, as that text asks its caller to. How often
 * that was is told at the end.
 *
 *   kv_suite HELPER CA TOKEN_FILE ADDRESS...
 */
#include "store/suite_commit.h"
#include "store/suite_page.h"
#include "store/suite_tally.h"
#include "vault/vault.h"

enum { AGAIN_MS = 200, AGAIN_MAX = 300 };

static struct {
    char **argv;
    struct vault *vault;
    struct vault_kv *kv;
    unsigned place, again;
} real;

static void close_kv(void *self)
{
    (void)self;
    vault_kv_free(&real.kv);
}

static struct err *open_real(struct store **ret)
{
    char prefix[32];

    snprintf(prefix, sizeof prefix, "suite/%u", real.place);
    assert_ok(vault_kv_new(real.vault, "fleet", "kv", prefix, &real.kv));
    const struct store_kv_ops ops = {vault_kv_get, vault_kv_cas, vault_kv_list, real.kv, close_kv};

    return store_kv_open(suite.loop, &ops, in_folder("copy.db"), suite_on_changed, &suite, ret);
}

static int real_setup(void **state)
{
    const struct vault_conf conf = {.name = "fleet",
                                    .address = real.argv[4],
                                    .addresses = real.argv[5] != NULL ? real.argv + 5 : NULL,
                                    .ca_bundle = real.argv[2],
                                    .login = VAULT_LOGIN_TOKEN,
                                    .token_file = real.argv[3],
                                    .request_timeout_ms = 3000};
    struct signer *signers = NULL;

    folder_setup(state);
    real.place++;
    assert_ok(vault_new(suite.loop, real.argv[1], &conf, 1, &real.vault, &signers));
    assert_ok(open_real(&suite.store));
    return 0;
}

static int real_teardown(void **state)
{
    store_free(&suite.store);
    vault_free(&real.vault);
    return folder_teardown(state);
}

static void on_pause(void *arg)
{
    (void)arg;
    stop();
}

/* "Vault is away: nothing can be changed until it is back", "Vault went away: nothing was changed". */
static bool is_away(struct err **e)
{
    if (!err_is(*e, ERR_GONE) || strstr(err_text(*e), "whether this was changed") != NULL ||
        real.again >= AGAIN_MAX) {
        return false;
    }
    struct io_timer *t = io_timer_new(suite.loop, on_pause, NULL);

    err_free(e);
    real.again++;
    io_timer_set(t, mono_in(AGAIN_MS));
    run();
    io_timer_free(&t);
    return true;
}

#undef SUITE_TEST
#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, real_setup, real_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {SUITE_COMMIT_TESTS, SUITE_PAGE_TESTS, SUITE_TALLY_TESTS};

    if (argc < 5) {
        return 2;
    }
    secret_heap_init();
    log_init("kv_suite", LOG_WARN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    real.argv = argv;
    suite_open = open_real;
    suite_again = is_away;
    suite.free_gives_up = true;
    int failed = cmocka_run_group_tests_name("contract", tests, NULL, NULL);

    printf("calls made again: %u\n", real.again);
    return failed > 0;
}
