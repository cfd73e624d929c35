#include "vault/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vault/break_it.h"

static bool parse_query(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct vault_query q = {0};
    AUTO(err_free) struct err *e = vault_query_get(&r, &q);

    if (e == NULL) {
        assert_true((q.server == 0) == (q.conf != NULL));
        assert_true(q.deadline.ms >= 0);
    } else {
        assert_null(q.conf);
    }
    vault_query_deinit(&q);
    return e == NULL;
}

static bool parse_step(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct vault_step_in in = {0};
    AUTO(err_free) struct err *e = vault_step_get(&r, &in);

    if (e == NULL) {
        assert_true((unsigned)in.step.kind < VAULT_STEPS && in.step.state <= VAULT_STEP_SKIPPED);
        assert_true(in.step.facts_n <= VAULT_FACTS_MAX);
        assert_non_null(in.step.text);
    }
    vault_step_in_deinit(&in);
    return e == NULL;
}

static bool parse_mounts(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct vault_mount *list = NULL;
    size_t n = 0;
    AUTO(err_free) struct err *e = vault_mounts_get(&r, &list, &n);

    assert_true((e == NULL) == (list != NULL));
    vault_mounts_free(&list, n);
    return e == NULL;
}

static void a_query_of_a_number_survives_the_way(void **state)
{
    const struct vault_query q = {.server = 7,
                                  .deadline = {123},
                                  .mount = "kv",
                                  .prefix = "",
                                  .path = "a/b",
                                  .text = "text",
                                  .version = 5};
    AUTO(buf_deinit) struct buf b;
    AUTO(vault_query_deinit) struct vault_query got = {0};

    (void)state;
    buf_init(&b, 0);
    vault_query_put(&b, &q);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_query_get(&r, &got);

    assert_null(e);
    assert_int_equal(got.server, 7);
    assert_null(got.conf);
    assert_int_equal(got.deadline.ms, 123);
    assert_string_equal(got.mount, "kv");
    assert_null(got.name);
    assert_string_equal(got.prefix, "");
    assert_string_equal(got.path, "a/b");
    assert_string_equal(got.text, "text");
    assert_int_equal(got.version, 5);
    break_it(buf_view(&b), parse_query);
}

static bool parse_pki(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct vault_pki_answer answer = {0};
    AUTO(err_free) struct err *e = vault_pki_get(&r, &answer);

    vault_pki_deinit(&answer);
    return e == NULL;
}

static void an_x509_request_and_its_answer_survive_the_way(void **state)
{
    const struct vault_query q = {.server = 7,
                                  .mount = "pki",
                                  .name = "agent",
                                  .text = "CSR",
                                  .common_name = "web",
                                  .alt_names = "DNS:a\n",
                                  .version = 600};
    const struct vault_pki_answer answer = {"CERT", "", "01:02"};
    AUTO(buf_deinit) struct buf b = {0};
    AUTO(buf_deinit) struct buf a = {0};
    AUTO(vault_query_deinit) struct vault_query got = {0};
    AUTO(vault_pki_deinit) struct vault_pki_answer came = {0};

    (void)state;
    buf_init(&b, 0);
    buf_init(&a, 0);
    vault_query_put(&b, &q);
    vault_pki_put(&a, &answer);
    struct rd r = rd_of(buf_view(&b)), ra = rd_of(buf_view(&a));

    assert_null(vault_query_get(&r, &got));
    assert_string_equal(got.common_name, "web");
    assert_string_equal(got.alt_names, "DNS:a\n");
    assert_string_equal(got.text, "CSR");
    assert_int_equal(got.version, 600);
    assert_null(vault_pki_get(&ra, &came));
    assert_string_equal(came.cert_pem, "CERT");
    assert_string_equal(came.chain_pem, "");
    assert_string_equal(came.serial, "01:02");
    break_it(buf_view(&b), parse_query);
    break_it(buf_view(&a), parse_pki);
}

static void a_query_with_a_configuration_survives_the_way(void **state)
{
    const struct vault_conf conf = {.name = "n", .address = "https://a"};
    const struct vault_query q = {.conf = &conf, .mount = "ssh", .name = "web"};
    AUTO(buf_deinit) struct buf b;
    AUTO(vault_query_deinit) struct vault_query got = {0};

    (void)state;
    buf_init(&b, 0);
    vault_query_put(&b, &q);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_query_get(&r, &got);

    assert_null(e);
    assert_string_equal(got.conf->address, "https://a");
    assert_string_equal(got.name, "web");
    assert_null(got.text);
    break_it(buf_view(&b), parse_query);
}

static void a_step_survives_the_way(void **state)
{
    AUTO(err_free) struct err *why = err_new(ERR_DENIED, "no");
    const struct vault_fact facts[] = {{"subject", "CN=a"}, {"issuer", ""}};
    const struct vault_step step = {.kind = VAULT_STEP_TLS,
                                    .state = VAULT_STEP_FAILED,
                                    .address = "https://a",
                                    .text = "no",
                                    .error = why,
                                    .took_ms = 12,
                                    .facts = facts,
                                    .facts_n = 2};
    AUTO(buf_deinit) struct buf b;
    AUTO(vault_step_in_deinit) struct vault_step_in in = {0};

    (void)state;
    buf_init(&b, 0);
    vault_step_put(&b, &step);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_step_get(&r, &in);

    assert_null(e);
    assert_int_equal(in.step.kind, VAULT_STEP_TLS);
    assert_int_equal(in.step.state, VAULT_STEP_FAILED);
    assert_string_equal(in.step.address, "https://a");
    assert_true(err_is(in.step.error, ERR_DENIED));
    assert_int_equal(in.step.took_ms, 12);
    assert_int_equal(in.step.facts_n, 2);
    assert_string_equal(in.step.facts[0].name, "subject");
    assert_string_equal(in.step.facts[0].value, "CN=a");
    assert_string_equal(in.step.facts[1].value, "");
    break_it(buf_view(&b), parse_step);
}

static void mounts_survive_the_way(void **state)
{
    const struct vault_mount list[] = {{"ssh", "ssh", "for us"}, {"team/ssh", "ssh", ""}};
    AUTO(buf_deinit) struct buf b;
    struct vault_mount *got = NULL;
    size_t n = 0;

    (void)state;
    buf_init(&b, 0);
    vault_mounts_put(&b, list, 2);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_mounts_get(&r, &got, &n);

    assert_null(e);
    assert_int_equal(n, 2);
    assert_string_equal(got[1].path, "team/ssh");
    assert_string_equal(got[0].description, "for us");
    vault_mounts_free(&got, n);
    break_it(buf_view(&b), parse_mounts);
}

static void each_step_has_a_name(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < VAULT_STEPS; kind++) {
        assert_non_null(vault_step_name((enum vault_step_kind)kind));
    }
    assert_string_equal(vault_step_name(VAULT_STEP_ENGINE), "engine");
    assert_string_equal(vault_step_state_name(VAULT_STEP_SKIPPED), "skipped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_of_a_number_survives_the_way),
        cmocka_unit_test(an_x509_request_and_its_answer_survive_the_way),
        cmocka_unit_test(a_query_with_a_configuration_survives_the_way),
        cmocka_unit_test(a_step_survives_the_way),
        cmocka_unit_test(mounts_survive_the_way),
        cmocka_unit_test(each_step_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
