/*
 * PINs: which is tried, how often, and when not. The shim's trace counts C_Login: that, and not
 * what the client says of itself, is what a token's counter would have seen.
 */
#include "fixture.h"

static void ask_nobody(struct fixture *f, const char *pin)
{
    write_file(f->pin_file, pin);
    use_shim(f);
}

static void test_wrong_file_is_tried_once(void **state)
{
    struct fixture *f = *state;

    ask_nobody(f, "wrong-pin\n");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_true(token(f, 0).pin_refused);
    assert_true(err_is(token(f, 0).error, ERR_PIN));
    assert_non_null(strstr(err_text(token(f, 0).error), "CKR_PIN_INCORRECT"));
    assert_int_equal(calls_of(f, "C_Login"), 1);
    start_again(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_true(token(f, 0).pin_refused);
    assert_int_equal(calls_of(f, "C_Login"), 1);
    char other[192];

    snprintf(other, sizeof other, "%s.new", f->pin_file);
    write_file(other, SOFTHSM_PIN "\n");
    assert_int_equal(rename(other, f->pin_file), 0);
    start_again(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_false(token(f, 0).pin_refused);
    assert_int_equal(calls_of(f, "C_Login"), 2);
}

static void test_memory_holds_no_pin(void **state)
{
    struct fixture *f = *state;
    char command[512];

    ask_nobody(f, "wrong-pin-31337\n");
    start(f);
    remote_free(&f->r);
    snprintf(command, sizeof command, "%s", f->state);
    const char *const grep[] = {"grep", "-r", "31337", command, NULL};
    const char *const any[] = {"sh", "-c", "ls \"$1\" | grep -q ^refused-", "-", command, NULL};

    assert_int_equal(WEXITSTATUS(softhsm_run(any)), 0);
    assert_int_equal(WEXITSTATUS(softhsm_run(grep)), 1);
}

static void test_unlock_clears(void **state)
{
    struct fixture *f = *state;

    ask_nobody(f, "wrong-pin\n");
    start(f);
    no_error(unlock(f, SOFTHSM_PIN, false));
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_false(token(f, 0).pin_refused);
    assert_int_equal(calls_of(f, "C_Login"), 2);
    no_error(unlock(f, SOFTHSM_PIN, false)); /* is open: nothing to do */
    assert_int_equal(calls_of(f, "C_Login"), 2);
    start_again(f); /* the file may be tried again, once */
    assert_int_equal(calls_of(f, "C_Login"), 3);
    assert_true(token(f, 0).pin_refused);
}

static void test_wrong_unlock(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    f->tokens[0].pins_n = 0;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_false(token(f, 0).pin_refused);
    assert_true(err_is(unlock(f, "wrong-pin", false), ERR_PIN));
    assert_int_equal(calls_of(f, "C_Login"), 1);
    assert_true(err_is(unlock(f, "wrong-pin", false), ERR_PIN)); /* not sent a second time */
    assert_int_equal(calls_of(f, "C_Login"), 1);
    assert_false(token(f, 0).pin_refused);
    no_error(unlock(f, SOFTHSM_PIN, false));
    assert_int_equal(calls_of(f, "C_Login"), 2);
}

static void test_unlock_with_the_sources(void **state)
{
    struct fixture *f = *state;

    ask_nobody(f, "wrong-pin\n");
    start(f);
    assert_true(err_is(unlock(f, NULL, false), ERR_PIN));
    assert_int_equal(calls_of(f, "C_Login"), 2);
    write_file(f->pin_file, SOFTHSM_PIN);
    no_error(unlock(f, NULL, false));
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    f->tokens[0].pins_n = 0;
    forget_outcome();
    remote_unlock(f->r, 7, NULL, false, on_done, &last);
    assert_true(err_is(last.e, ERR_INPUT));
}

static void test_one_pin_of_two_sources(void **state)
{
    struct fixture *f = *state;
    AUTO(secret_free) struct secret *s = NULL;

    ask_nobody(f, "wrong-pin\n");
    no_error(secret_new(view_cstr("wrong-pin"), &s));
    f->pins[1] = (struct remote_pin_source){
        .kind = REMOTE_PIN_ENVIRONMENT, .text = (char *)(uintptr_t)"PIN", .value = s};
    f->tokens[0].pins_n = 2;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(calls_of(f, "C_Login"), 1);
}

static void test_second_source(void **state)
{
    char *argv[] = {(char[]){"echo"}, (char[]){SOFTHSM_PIN}, NULL};
    struct fixture *f = *state;

    ask_nobody(f, "wrong-pin\n");
    f->pins[1] = (struct remote_pin_source){.kind = REMOTE_PIN_COMMAND, .argv = argv};
    f->tokens[0].pins_n = 2;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_true(token(f, 0).pin_refused); /* the file's, and it stays so */
    assert_int_equal(calls_of(f, "C_Login"), 2);
    start_again(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(calls_of(f, "C_Login"), 3);
}

static void test_sources_that_have_nothing(void **state)
{
    char *fails[] = {(char[]){"false"}, NULL};
    struct fixture *f = *state;

    use_shim(f);
    unlink(f->pin_file);
    unsetenv("CREDENTIALS_DIRECTORY");
    f->pins[1] = (struct remote_pin_source){.kind = REMOTE_PIN_COMMAND, .argv = fails};
    f->pins[2] =
        (struct remote_pin_source){.kind = REMOTE_PIN_CREDENTIAL, .text = (char *)(uintptr_t)"pin"};
    f->pins[3] = (struct remote_pin_source){.kind = REMOTE_PIN_ENVIRONMENT,
                                            .text = (char *)(uintptr_t)"PIN"};
    f->tokens[0].pins_n = 4;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_true(err_is(token(f, 0).error, ERR_PIN));
    assert_int_equal(calls_of(f, "C_Login"), 0);
    setenv("CREDENTIALS_DIRECTORY", f->hsm.folder, 1);
    write_file(f->pin_file, SOFTHSM_PIN); /* is the credential "pin" of that folder, too */
    f->pins[0].text = (char *)(uintptr_t)"/nonexistent/pin";
    start_again(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_pin_source_of_the_uri(void **state)
{
    struct fixture *f = *state;
    char uri[256];

    snprintf(uri, sizeof uri, "pkcs11:token=alpha?pin-source=file:%s", f->pin_file);
    f->tokens[0].uri = uri;
    f->tokens[0].pins_n = 0;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    remote_free(&f->r);
    f->tokens[0].uri = "pkcs11:token=alpha?pin-source=%7Ccat%20pin";
    AUTO(err_free) struct err *e = remote_new(f->loop, &f->conf, NULL, NULL, &f->r);

    assert_true(err_is(e, ERR_INPUT));
}

static void test_last_try_is_a_persons(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    write_file(f->control, "C_GetTokenInfo:*:flags|=FINAL_TRY");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_false(token(f, 0).pin_refused);
    assert_int_equal(calls_of(f, "C_Login"), 0);
    assert_true(err_is(unlock(f, SOFTHSM_PIN, false), ERR_PIN));
    assert_int_equal(calls_of(f, "C_Login"), 0);
    no_error(unlock(f, SOFTHSM_PIN, true));
    assert_int_equal(calls_of(f, "C_Login"), 1);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
}

static void test_device_error_is_no_wrong_pin(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    write_file(f->control, "C_Login:*:CKR_DEVICE_ERROR");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_false(token(f, 0).pin_refused);
    assert_non_null(strstr(err_text(token(f, 0).error), "CKR_DEVICE_ERROR"));
    assert_int_equal(calls_of(f, "C_Login"), 2); /* once more, on a token that was opened anew */
    write_file(f->control, "");
    no_error(unlock(f, NULL, false));
    assert_int_equal(calls_of(f, "C_Login"), 3);
}

static void test_device_error_that_passes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(softhsm_add("beta"), 0); /* keeps the module, and so its plan, loaded */
    f->tokens[1] = (struct remote_token_conf){"b", "pkcs11:token=beta", f->pins, 1};
    f->conf.tokens_n = 2;
    use_shim(f);
    write_file(f->control, "C_Login:1:CKR_DEVICE_ERROR");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(token(f, 1).state, REMOTE_TOKEN_READY);
    assert_int_equal(calls_of(f, "C_Login"), 3);
}

static void test_no_login_where_none_is_wanted(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    f->tokens[0].pins_n = 0;
    write_file(f->control, "C_GetTokenInfo:*:flags&=LOGIN_REQUIRED");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(calls_of(f, "C_Login"), 0);
}

/* A program for SSH_ASKPASS that notes its prompt and does as told. */
static void use_askpass(struct fixture *f, const char *action)
{
    char path[192];
    char text[512];

    snprintf(path, sizeof path, "%s/askpass", f->hsm.folder);
    snprintf(text, sizeof text, "#!/bin/sh\necho \"$1\" >> %s/prompts\n%s\n", f->hsm.folder,
             action);
    write_file(path, text);
    assert_int_equal(chmod(path, 0700), 0);
    setenv("SSH_ASKPASS", path, 1);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    f->pins[0] = (struct remote_pin_source){.kind = REMOTE_PIN_ASKPASS};
}

static unsigned prompts(const struct fixture *f, const char *with)
{
    char path[192];
    char line[256];
    unsigned n = 0;

    snprintf(path, sizeof path, "%s/prompts", f->hsm.folder);
    FILE *file = fopen(path, "r");

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        n += strstr(line, with) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return n;
}

/* A token with a key, known from an earlier life, that only askpass can open. */
static void start_with_askpass(struct fixture *f, const char *action)
{
    use_shim(f);
    start(f);
    generate(f, SSH_KEY_P256, 0, "k");
    forget_outcome();
    use_askpass(f, action);
    start_again(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(remote_keys(f->r), 1);
    assert_false(remote_key_usable(remote_key_at(f->r, 0)));
    assert_int_equal(prompts(f, ""), 0); /* nobody waits yet */
}

static void test_askpass_at_first_use(void **state)
{
    struct fixture *f = *state;

    start_with_askpass(f, "sleep 0.2; echo " SOFTHSM_PIN);
    unsigned before = calls_of(f, "C_Login");
    struct remote_key *k = remote_key_at(f->r, 0);

    forget_outcome();
    for (unsigned i = 0; i < 5; i++) {
        assert_int_not_equal(
            remote_sign(f->r, k, SSH_ALG_P256, view_cstr("x"), mono_in(LIMIT_MS), i, on_raw, &last),
            0);
    }
    awaited = 5;
    run_until(f, has_outcome);
    no_error(last.e);
    check_signature(k, SSH_ALG_P256, "x");
    assert_int_equal(prompts(f, ""), 1);
    assert_int_equal(prompts(f, "alpha"), 1);
    assert_int_equal(prompts(f, token(f, 0).id.serial), 1);
    assert_int_equal(prompts(f, "LAST"), 0);
    assert_int_equal(calls_of(f, "C_Login"), before + 1);
}

static void test_askpass_says_no(void **state)
{
    struct fixture *f = *state;

    start_with_askpass(f, "exit 1");
    unsigned before = calls_of(f, "C_Login");

    assert_true(err_is(sign(f, remote_key_at(f->r, 0), SSH_ALG_P256, "x"), ERR_PIN));
    assert_int_equal(calls_of(f, "C_Login"), before);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_true(err_is(sign(f, remote_key_at(f->r, 0), SSH_ALG_P256, "x"), ERR_PIN));
    assert_int_equal(prompts(f, ""), 2); /* a person may have changed their mind */
}

static void test_askpass_with_a_wrong_pin(void **state)
{
    struct fixture *f = *state;

    start_with_askpass(f, "echo wrong-pin");
    unsigned before = calls_of(f, "C_Login");

    assert_true(err_is(sign(f, remote_key_at(f->r, 0), SSH_ALG_P256, "x"), ERR_PIN));
    assert_true(err_is(sign(f, remote_key_at(f->r, 0), SSH_ALG_P256, "x"), ERR_PIN));
    assert_int_equal(calls_of(f, "C_Login"), before + 1); /* the same PIN is not sent twice */
}

static void test_askpass_names_the_last_try(void **state)
{
    struct fixture *f = *state;

    start_with_askpass(f, "echo " SOFTHSM_PIN);
    write_file(f->control, "C_GetTokenInfo:*:flags|=FINAL_TRY");
    no_error(sign(f, remote_key_at(f->r, 0), SSH_ALG_P256, "x"));
    assert_int_equal(prompts(f, "LAST"), 1);
}

static void test_askpass_only_where_allowed(void **state)
{
    struct fixture *f = *state;

    start_with_askpass(f, "echo " SOFTHSM_PIN);
    struct remote_key *k = remote_key_at(f->r, 0);

    setenv("SSH_ASKPASS_REQUIRE", "never", 1);
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_PIN));
    unsetenv("SSH_ASKPASS_REQUIRE");
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_PIN));
    assert_int_equal(prompts(f, ""), 0);
    setenv("DISPLAY", ":0", 1);
    no_error(sign(f, k, SSH_ALG_P256, "x"));
    assert_int_equal(prompts(f, ""), 1);
    unsetenv("DISPLAY");
}

static void test_waiting_ends_at_the_deadline(void **state)
{
    struct fixture *f = *state;

    start_with_askpass(f, "exec sleep 60");
    forget_outcome();
    remote_sign(f->r, remote_key_at(f->r, 0), SSH_ALG_P256, view_cstr("x"), mono_in(300), 1, on_raw,
                &last);
    run_outcome(f);
    assert_true(err_is(last.e, ERR_TIMEOUT));
    no_error(unlock(f, SOFTHSM_PIN, false)); /* takes the dialogue's place */
    no_error(sign(f, remote_key_at(f->r, 0), SSH_ALG_P256, "x"));
}

static void test_spoiled_memory(void **state)
{
    struct fixture *f = *state;
    char path[512];

    start_with_askpass(f, "exit 1");
    remote_free(&f->r);
    snprintf(path, sizeof path, "for k in %s/keys-*; do echo nonsense > $k; done", f->state);
    const char *const spoil[] = {"sh", "-c", path, NULL};

    log_init("pin", LOG_ERROR);
    assert_int_equal(softhsm_run(spoil), 0);
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(remote_keys(f->r), 0);
    no_error(unlock(f, SOFTHSM_PIN, false));
    assert_int_equal(remote_keys(f->r), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_wrong_file_is_tried_once),
        TEST(test_memory_holds_no_pin),
        TEST(test_unlock_clears),
        TEST(test_wrong_unlock),
        TEST(test_unlock_with_the_sources),
        TEST(test_one_pin_of_two_sources),
        TEST(test_second_source),
        TEST(test_sources_that_have_nothing),
        TEST(test_pin_source_of_the_uri),
        TEST(test_last_try_is_a_persons),
        TEST(test_device_error_is_no_wrong_pin),
        TEST(test_device_error_that_passes),
        TEST(test_no_login_where_none_is_wanted),
        TEST(test_askpass_at_first_use),
        TEST(test_askpass_says_no),
        TEST(test_askpass_with_a_wrong_pin),
        TEST(test_askpass_names_the_last_try),
        TEST(test_askpass_only_where_allowed),
        TEST(test_waiting_ends_at_the_deadline),
        TEST(test_spoiled_memory),
    };

    return main_of(tests, ARRAY_LEN(tests), "pin");
}
