/*
 * What a certificate may carry where permit-pty is all that was asked for: a role that lets nobody choose
 * may give its own, which is told; who asked for an exact list gets no more, whatever the signer says.
 */
#include "identity/fixture.h"

static const struct ssh_cert_option pty[] = {{(char *)"permit-pty", (char *)""}, {NULL, NULL}};
static const struct ssh_cert_option more[] = {{(char *)"permit-agent-forwarding", (char *)""},
                                              {(char *)"permit-pty", (char *)""},
                                              {(char *)"permit-user-rc", (char *)""},
                                              {NULL, NULL}};

static int set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    f.wants[0].request.extensions = pty;
    f.wants[0].request.role_may_choose = true;
    fixture_start(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

static struct err *answer(struct fixture *f, const struct ssh_cert_option *has, bool role_chose)
{
    struct fake_cert c = fixture_issue(f, 3600);

    c.extensions = has;
    AUTO(auto_free) char *line = fake_cert_line(&c);

    return identity_cert_answer(fixture_cert(f), view_cstr(line), role_chose);
}

static const char *warning(struct fixture *f)
{
    const struct err *w = identity_warning(identity_at(f->set, 0), 0);

    return w != NULL ? err_text(w) : "";
}

static bool has_one(struct fixture *f)
{
    return identity_cert_current(fixture_cert(f)) != NULL;
}

static void a_role_that_lets_choose_gives_no_more(void **state)
{
    struct fixture *f = *state;

    fake_fails(answer(f, more, false), ERR_CERT, "has the extension 'permit-agent-forwarding'");
    fake_ok(answer(f, pty, false));
    fake_ok(answer(f, NULL, false)); /* less is no danger */
    assert_string_equal(warning(f), "");
}

static void a_role_that_chose_is_told_of(void **state)
{
    struct fixture *f = *state;

    fake_ok(answer(f, more, true));
    assert_string_equal(warning(f),
                        "its certificate of 'vault' has permit-agent-forwarding, permit-user-rc, "
                        "which nobody asked for: its role gives its own extensions and lets nobody "
                        "choose");
    assert_null(identity_warning(identity_at(f->set, 0), 1));
    fake_ok(answer(f, pty, true)); /* its own are no more than that */
    assert_string_equal(warning(f), "");
    fake_ok(answer(f, more, true));
    fake_ok(answer(f, pty, false)); /* the role was changed */
    assert_string_equal(warning(f), "");
}

static void a_restart_remembers_who_chose(void **state)
{
    struct fixture *f = *state;
    struct wall received = wall_now();

    fake_ok(answer(f, more, true));
    fixture_restart(f);
    assert_true(has_one(f));
    assert_non_null(strstr(warning(f), "nobody asked for"));
    assert_int_equal(identity_cert_received(fixture_cert(f)).s, received.s);
    f->wants[0].request.role_may_choose = false; /* now exactly these */
    fixture_restart(f);
    assert_false(has_one(f));
    assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(f))), "permit-agent"));
}

static void an_exact_list_is_never_weakened(void **state)
{
    struct fixture *f = *state;

    fake_ok(answer(f, more, true));
    f->wants[0].request.role_may_choose = false;
    fake_ok(identity_set_put(f->set, &f->conf[0]));
    assert_false(has_one(f));
    fake_fails(answer(f, more, true), ERR_CERT, "asked for were 'permit-pty'");
    fake_ok(answer(f, pty, true));
    assert_string_equal(warning(f), "");
}

/* What was asked for as the role gives was asked for; what is asked for now is less. */
static void who_asks_for_less_now_keeps_nothing(void **state)
{
    struct fixture *f = *state;

    f->wants[0].request.extensions = NULL;
    f->wants[0].request.role_may_choose = false;
    fake_ok(identity_set_put(f->set, &f->conf[0]));
    fake_ok(answer(f, more, false));
    assert_string_equal(warning(f), "");
    f->wants[0].request.extensions = pty;
    f->wants[0].request.role_may_choose = true;
    fake_ok(identity_set_put(f->set, &f->conf[0]));
    assert_false(has_one(f));
}

static void the_same_wish_keeps_what_there_is(void **state)
{
    struct fixture *f = *state;
    char role[] = "admin";

    fake_ok(answer(f, more, true));
    f->wants[0].request.role = role;
    f->wants[0].request.ttl_s = 7200;
    fake_ok(identity_set_put(f->set, &f->conf[0]));
    assert_true(has_one(f));
    assert_non_null(strstr(warning(f), "nobody asked for"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_role_that_lets_choose_gives_no_more), TEST(a_role_that_chose_is_told_of),
        TEST(a_restart_remembers_who_chose),         TEST(an_exact_list_is_never_weakened),
        TEST(who_asks_for_less_now_keeps_nothing),   TEST(the_same_wish_keeps_what_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
