/*
 * The table of servers, as far as it needs no server: whom a request finds, and how long it waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vault/servers.h"

enum { SLEPT_S = 3600, NUMBER = 7 };

static struct vault_servers *servers;
static struct vault_server *held;

/* A machine that has slept for an hour: our clock went on, and the one of pthread stood still. */
static struct mono after_a_sleep(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){((int64_t)t.tv_sec + SLEPT_S) * 1000 + t.tv_nsec / 1000000};
}

static int set_up(void **state)
{
    (void)state;
    assert_null(vault_servers_new(&servers));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clock_set_for_test(NULL, NULL);
    vault_servers_let_go(servers, &held);
    vault_servers_free(&servers);
    return 0;
}

static void add(void)
{
    struct vault_conf from = {.name = "main", .address = "https://a"}, copy;

    assert_null(vault_conf_copy(&from, &copy));
    assert_null(vault_servers_add(servers, NUMBER, &copy));
    assert_null(copy.name); /* moved */
}

static void who_is_there_is_found(void **state)
{
    (void)state;
    add();
    assert_null(vault_servers_hold(servers, NUMBER, mono_in(0), &held));
    vault_servers_forget(servers, NUMBER);
    assert_string_equal(held->conf.name, "main"); /* who holds it has it */
}

static void nobody_is_waited_for_longer_than_told(void **state)
{
    (void)state;
    clock_set_for_test(after_a_sleep, NULL);
    struct mono begun = mono_now();
    AUTO(err_free) struct err *e = vault_servers_hold(servers, NUMBER, mono_in(50), &held);

    assert_true(err_is(e, ERR_BUG));
    assert_true(mono_now().ms - begun.ms >= 50);
    assert_true(mono_now().ms - begun.ms < 60 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_there_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_waited_for_longer_than_told, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("vault/servers", tests, NULL, NULL);
}
