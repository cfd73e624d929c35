/* The first line of a program's output, or why there is none. */
#include "io/support.h"

static struct io_command *command;
static struct err *error;
static struct secret *output;
static unsigned dones;
static bool free_in_done;

static void on_done(void *arg, struct err *e, struct secret *s)
{
    assert_ptr_equal(arg, &dones);
    assert_int_equal(e == NULL, s != NULL);
    dones++;
    error = e;
    output = s;
    if (free_in_done) {
        io_command_free(&command);
    }
    stop();
}

static int set_up(void **state)
{
    dones = 0;
    free_in_done = false;
    return new_loop(state);
}

static int tear_down(void **state)
{
    io_command_free(&command);
    err_free(&error);
    secret_free(&output);
    free_loop(state);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return 0;
}

static void start(const char *script, const char *const *env, int64_t ms)
{
    const char *const argv[] = {"sh", "-c", script, NULL};

    assert_null(io_command_run(loop, argv, env, mono_in(ms), on_done, &dones, &command));
}

static void run_script(const char *script)
{
    start(script, NULL, GUARD_MS);
    run();
    assert_int_equal(dones, 1);
}

static void assert_output(const char *expected)
{
    if (error != NULL) {
        fail_msg("%s", err_text(error));
    }
    assert_string_equal(secret_text(output), expected);
}

static void assert_error(enum err_code code, const char *text)
{
    assert_true(err_is(error, code));
    assert_string_equal(err_text(error), text);
}

static void test_first_line(void **state)
{
    (void)state;
    run_script("echo 123456; echo more");
    assert_output("123456");
}

static void test_no_newline(void **state)
{
    (void)state;
    run_script("printf 'a b\\r'");
    assert_output("a b");
}

static void test_in_pieces(void **state)
{
    (void)state;
    free_in_done = true;
    run_script("printf 12; sleep 0.05; printf 34");
    assert_null(command);
    assert_output("1234");
}

static void test_exit_status(void **state)
{
    (void)state;
    run_script("echo half an answer; exit 3");
    assert_error(ERR_DENIED, "sh: exit status 3");
}

static void test_signal(void **state)
{
    (void)state;
    run_script("kill -9 $$");
    assert_error(ERR_GONE, "sh: killed by signal 9 (Killed)");
}

static void test_nothing(void **state)
{
    (void)state;
    run_script("echo; echo 1234");
    assert_error(ERR_INPUT, "sh: printed nothing");
}

static void test_nul_bytes(void **state)
{
    (void)state;
    run_script("printf '12\\00034\\n'");
    assert_error(ERR_INPUT, "sh: printed NUL bytes");
}

static void test_too_much(void **state)
{
    (void)state;
    run_script("head -c 20000 /dev/zero | tr '\\0' x; exec sleep 20");
    assert_error(ERR_LIMIT, "sh: printed more than 16384 bytes");
}

static void test_as_much_as_allowed(void **state)
{
    (void)state;
    run_script("head -c 16384 /dev/zero | tr '\\0' x");
    assert_null(error);
    assert_int_equal(secret_view(output).len, SECRET_MAX_BYTES);
}

static void test_deadline(void **state)
{
    (void)state;
    start("exec sleep 20", NULL, 30);
    run();
    assert_error(ERR_TIMEOUT, "sh: did not answer in time and was killed");
}

static void test_grandchild_that_keeps_the_pipe(void **state)
{
    (void)state;
    run_script("sleep 1 & echo 1234");
    assert_output("1234");
}

static void test_environment_and_input(void **state)
{
    const char *const env[] = {"PATH=/bin:/usr/bin", "A=b", NULL};

    (void)state;
    start("read x; echo \"$A$HOME$x\"", env, GUARD_MS);
    run();
    assert_output("b");
}

static void test_no_such_program(void **state)
{
    const char *const argv[] = {"no-such-program-at-all", NULL};

    (void)state;
    error = io_command_run(loop, argv, NULL, mono_in(GUARD_MS), on_done, &dones, &command);
    assert_error(ERR_GONE, "could not start no-such-program-at-all (No such file or directory)");
    assert_null(command);
}

static void test_free_while_it_runs(void **state)
{
    (void)state;
    start("exec sleep 20", NULL, GUARD_MS);
    io_command_free(&command);
    run_rounds(3);
    assert_int_equal(dones, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_first_line),
        CASE(test_no_newline),
        CASE(test_in_pieces),
        CASE(test_exit_status),
        CASE(test_signal),
        CASE(test_nothing),
        CASE(test_nul_bytes),
        CASE(test_too_much),
        CASE(test_as_much_as_allowed),
        CASE(test_deadline),
        CASE(test_grandchild_that_keeps_the_pipe),
        CASE(test_environment_and_input),
        CASE(test_no_such_program),
        CASE(test_free_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
