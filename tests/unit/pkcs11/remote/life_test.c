/*
 * Trouble: helpers that die or hang, tokens that come and go. What must hold: nobody waits for ever,
 * no signature is sent twice, keys stay the same objects, and no PIN try is spent without reason.
 */
#include <time.h>

#include "fixture.h"

enum { MANY = 60 };

static struct {
    unsigned ended, signed_ok, gone, other;
    char why[256];
} many;

static void on_one_of_many(void *arg, struct err *failed, struct view raw)
{
    AUTO(err_free) struct err *e = failed;
    struct fixture *f = arg;

    many.ended++;
    many.signed_ok += e == NULL && raw.len == 64;
    many.gone += err_is(e, ERR_GONE);
    many.other += e != NULL && !err_is(e, ERR_GONE);
    if (e != NULL) {
        write_file(f->control, ""); /* the plan was for the first life only */
        snprintf(many.why, sizeof many.why, "%s", err_text(e));
    }
}

static void sign_many(struct fixture *f, struct remote_key *k)
{
    memset(&many, 0, sizeof many);
    for (unsigned i = 0; i < MANY; i++) {
        remote_sign(f->r, k, SSH_ALG_P256, view_cstr("x"), mono_in(LIMIT_MS), i, on_one_of_many, f);
    }
}

static bool all_ended(struct fixture *f)
{
    (void)f;
    return many.ended == MANY;
}

static bool some_signed(struct fixture *f)
{
    (void)f;
    return many.signed_ok > 0;
}

static bool is_ready(struct fixture *f)
{
    return token(f, 0).state == REMOTE_TOKEN_READY && token(f, 0).helper.ready;
}

static bool is_absent(struct fixture *f)
{
    return token(f, 0).state == REMOTE_TOKEN_ABSENT;
}

static struct remote_key *start_with_key(struct fixture *f)
{
    start(f);
    generate(f, SSH_KEY_P256, 0, "k");
    struct remote_key *k = remote_key_ref(last.key);

    forget_outcome();
    return k;
}

static void test_killed_with_signatures_queued(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = NULL;

    use_shim(f);
    k = start_with_key(f);
    sign_many(f, k);
    run_until(f, some_signed);
    unsigned logins = calls_of(f, "C_Login");

    assert_int_equal(kill(token(f, 0).helper.pid, SIGKILL), 0);
    run_until(f, all_ended);
    assert_int_equal(many.other, 0);
    assert_int_equal(many.signed_ok + many.gone, MANY);
    assert_true(many.gone <= 2 * token(f, 0).workers); /* only what was with the helper */
    run_until(f, is_ready);
    assert_int_equal(token(f, 0).helper.restarts, 1);
    assert_int_equal(calls_of(f, "C_Login"), logins + 1); /* the same source, again */
    assert_ptr_equal(remote_key_at(f->r, 0), k);
    no_error(sign(f, k, SSH_ALG_P256, "x"));
    check_signature(k, SSH_ALG_P256, "x");
}

static void test_crash_in_a_signature(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = NULL;

    use_shim(f);
    k = start_with_key(f);
    write_file(f->control, "C_Sign:10:crash");
    sign_many(f, k);
    run_until(f, all_ended);
    assert_int_equal(many.other, 0);
    assert_true(many.gone >= 1 && many.gone <= 2 * token(f, 0).workers);
    assert_non_null(strstr(many.why, "signal 11"));
    assert_int_equal(token(f, 0).helper.restarts, 1);
    no_error(sign(f, k, SSH_ALG_P256, "x"));
}

static struct mono after_the_grace(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (struct mono){now.tv_sec * 1000 + now.tv_nsec / 1000000 + IO_HELPER_GRACE_MS};
}

static void test_hanging_signature(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = NULL;

    use_shim(f);
    k = start_with_key(f);
    write_file(f->control, "C_Sign:1:hang");
    forget_outcome();
    remote_sign(f->r, k, SSH_ALG_P256, view_cstr("x"), mono_in(500), 1, on_raw, &last);
    clock_set_for_test(after_the_grace, NULL);
    run_outcome(f);
    assert_true(err_is(last.e, ERR_TIMEOUT));
    write_file(f->control, "");
    no_error(sign(f, k, SSH_ALG_P256, "x"));
    assert_int_equal(token(f, 0).helper.restarts, 1);
    clock_set_for_test(NULL, NULL);
}

static void test_crash_at_login_spends_no_second_try(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    write_file(f->control, "C_Login:*:crash");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(token(f, 0).helper.restarts, 1);
    assert_false(token(f, 0).pin_refused);
    write_file(f->control, "");
    no_error(unlock(f, NULL, false));
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
}

static bool is_locked_again(struct fixture *f)
{
    return token(f, 0).state == REMOTE_TOKEN_LOCKED && token(f, 0).helper.ready &&
           token(f, 0).helper.restarts == 1;
}

static void test_typed_pin_is_not_kept(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = start_with_key(f);

    f->tokens[0].pins_n = 0;
    remote_key_unref(&k);
    start_again(f);
    no_error(unlock(f, SOFTHSM_PIN, false));
    k = remote_key_ref(remote_key_at(f->r, 0));
    assert_true(remote_key_usable(k));
    assert_int_equal(kill(token(f, 0).helper.pid, SIGKILL), 0);
    run_until(f, is_locked_again);
    assert_ptr_equal(remote_key_at(f->r, 0), k); /* still listed */
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_PIN));
    no_error(unlock(f, SOFTHSM_PIN, false));
    no_error(sign(f, k, SSH_ALG_P256, "x"));
}

static void move_tokens(struct fixture *f, bool away)
{
    char here[128];
    char there[128];

    snprintf(here, sizeof here, "%s/tokens", f->hsm.folder);
    snprintf(there, sizeof there, "%s/elsewhere", f->hsm.folder);
    assert_int_equal(rename(away ? here : there, away ? there : here), 0);
    assert_int_equal(away ? mkdir(here, 0700) : 0, 0);
}

static void test_token_leaves_and_returns(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = start_with_key(f);
    struct remote_key_info info;
    struct remote_key *found = NULL;

    move_tokens(f, true);
    AUTO(err_free) struct err *e = err_copy(sign(f, k, SSH_ALG_P256, "x"));

    assert_non_null(e);
    run_until(f, is_absent);
    assert_false(remote_key_usable(k));
    assert_int_equal(remote_keys(f->r), 0);
    remote_key_info_get(k, &info);
    assert_non_null(info.why_not);
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_GONE));
    AUTO(err_free) struct err *gone = remote_key_find(f->r, info.uri, &found);

    assert_true(err_is(gone, ERR_GONE));
    char tokens[128];

    snprintf(tokens, sizeof tokens, "%s/tokens", f->hsm.folder);
    rmdir(tokens);
    move_tokens(f, false);
    run_until(f, is_ready);
    assert_ptr_equal(remote_key_at(f->r, 0), k);
    no_error(sign(f, k, SSH_ALG_P256, "x"));
}

static void test_removed_for_a_moment(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = NULL;

    use_shim(f);
    k = start_with_key(f);
    unsigned signs = calls_of(f, "C_Sign");

    write_file(f->control, "C_Sign:1:CKR_DEVICE_REMOVED");
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_GONE));
    assert_int_equal(calls_of(f, "C_Sign"), signs + 1); /* not repeated */
    write_file(f->control, "");
    run_until(f, is_ready);
    no_error(sign(f, k, SSH_ALG_P256, "x"));
    assert_int_equal(token(f, 0).helper.restarts, 0);
}

static void test_logged_out_by_others(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = NULL;

    use_shim(f);
    k = start_with_key(f);
    write_file(f->control, "C_Sign:1:CKR_USER_NOT_LOGGED_IN");
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_PIN));
    write_file(f->control, "");
    run_until(f, is_ready);
    no_error(sign(f, k, SSH_ALG_P256, "x"));
}

static void test_token_comes_later(void **state)
{
    struct fixture *f = *state;

    f->tokens[0].uri = "pkcs11:token=gamma";
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_ABSENT);
    assert_int_equal(remote_tokens(f->r), 2); /* alpha is there, unused */
    forget_outcome();
    remote_unlock(f->r, 0, NULL, false, on_done, &last);
    assert_true(err_is(last.e, ERR_GONE));
    assert_int_equal(softhsm_add("gamma"), 0);
    run_until(f, is_ready);
    generate(f, SSH_KEY_P256, 0, "k");
}

static void test_made_elsewhere_of_the_same_name(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = start_with_key(f);
    struct remote_key_info info;
    uint8_t id[TOKEN_ID_MAX_BYTES];

    remote_key_info_get(k, &info);
    memcpy(id, info.id.p, info.id.len);
    const struct remote_key_spec spec = {
        .type = SSH_KEY_P256, .label = "k", .id = view_of(id, info.id.len)};

    forget_outcome();
    remote_delete(f->r, k, on_done, &last);
    run_outcome(f);
    no_error(last.e);
    forget_outcome();
    remote_generate(f->r, 0, &spec, on_key, &last);
    run_outcome(f);
    no_error(last.e);
    assert_ptr_not_equal(last.key, k); /* another key, though id and label are the same */
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_NOT_FOUND));
}

static void test_ends_with_signatures_under_way(void **state)
{
    struct fixture *f = *state;
    AUTO(remote_key_unref) struct remote_key *k = start_with_key(f);

    sign_many(f, k);
    remote_free(&f->r);
    assert_int_equal(many.ended, MANY);
    assert_int_equal(many.other, 0);
}

static void test_two_changes_at_once(void **state)
{
    struct fixture *f = *state;
    struct remote_key_spec spec = {.type = SSH_KEY_P256, .label = "one"};

    start(f);
    forget_outcome();
    remote_generate(f->r, 0, &spec, on_key, &last);
    spec.label = "two";
    struct outcome second = {0};

    remote_generate(f->r, 0, &spec, on_key, &second);
    awaited = 1;
    run_until(f, has_outcome);
    no_error(last.e);
    settle(f);
    no_error(unlock(f, NULL, false));
    remote_when_settled(f->r, mono_in(LIMIT_MS), on_done, &last);
    generate(f, SSH_KEY_P256, 0, "three");
    assert_int_equal(remote_keys(f->r), 3);
    assert_int_equal(second.n, 1);
    no_error(second.e);
    remote_key_unref(&second.key);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_killed_with_signatures_queued),
        TEST(test_crash_in_a_signature),
        TEST(test_hanging_signature),
        TEST(test_crash_at_login_spends_no_second_try),
        TEST(test_typed_pin_is_not_kept),
        TEST(test_token_leaves_and_returns),
        TEST(test_removed_for_a_moment),
        TEST(test_logged_out_by_others),
        TEST(test_token_comes_later),
        TEST(test_made_elsewhere_of_the_same_name),
        TEST(test_ends_with_signatures_under_way),
        TEST(test_two_changes_at_once),
    };

    return main_of(tests, ARRAY_LEN(tests), "life");
}
