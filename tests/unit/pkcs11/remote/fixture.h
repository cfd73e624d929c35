#ifndef HF_TESTS_UNIT_PKCS11_REMOTE_FIXTURE_H
#define HF_TESTS_UNIT_PKCS11_REMOTE_FIXTURE_H

/*
 * A real loop, a real holdfast-token, SoftHSM with a token folder of its own, and profiles that let
 * the helper see where that is. run_until() runs the loop until a condition holds.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fakes/softhsm.h"
#include "pkcs11/remote/remote.h"
#include "pkcs11/token/token.h"

enum { LIMIT_MS = 30 * 1000, LOOK_EVERY_MS = 2, TOKENS_MAX = 4, PINS_MAX = 4 };

struct fixture {
    struct softhsm hsm;
    char state[128], profiles[128], helper[4096], pin_file[128], control[128], trace[128];
    struct io_loop *loop;
    struct profile_set *set;
    struct remote_pin_source pins[PINS_MAX];
    struct remote_token_conf tokens[TOKENS_MAX];
    struct remote_module_conf modules[2];
    struct remote_conf conf;
    struct remote *r;
    unsigned changes;
    bool (*until)(struct fixture *f);
    struct io_timer *look, *limit;
};

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static inline void no_error(struct err *e)
{
    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
}

static const char profile_text[] =
    "load:\n  os-locking: yes\n  threads-max: 4\n  init-string: \"\"\n  allow-exec: no\n"
    "  allow-inet: no\n  finalize: yes\n"
    "  environment: [HOME, SOFTHSM2_CONF, ASAN_OPTIONS, P11SHIM_MODULE, P11SHIM_CONTROL, "
    "P11SHIM_TRACE]\n"
    "  write-paths: [/]\n"
    "token:\n  sessions-max: 0\n  login: auto\n  rsa-hash: host\n  ecdsa-hash: host\n"
    "  ed25519: yes\n  ed25519-params: oid\n  ec-point: any\n  generate: yes\n  sign-only: yes\n"
    "  sensitive-reported: yes\n  sign-timeout: 20s\n  login-timeout: 20s\n"
    "  generate-timeout: 1m\n  mechanisms-off: []\n";

static inline void find_helper(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 32);

    assert_true(n > 0);
    out[n] = '\0';
    for (int up = 0; up < 3; up++) { /* BUILD/tests/unit/unit_x -> BUILD */
        *strrchr(out, '/') = '\0';
    }
    strcat(out, "/bin/holdfast-token");
    assert_int_equal(access(out, X_OK), 0);
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[256];

    assert_non_null(f);
    assert_non_null(softhsm_path());
    assert_int_equal(softhsm_start(&f->hsm, "alpha"), 0);
    snprintf(f->state, sizeof f->state, "%s/state", f->hsm.folder);
    snprintf(f->profiles, sizeof f->profiles, "%s/profiles", f->hsm.folder);
    snprintf(f->pin_file, sizeof f->pin_file, "%s/pin", f->hsm.folder);
    snprintf(f->control, sizeof f->control, "%s/plan", f->hsm.folder);
    snprintf(f->trace, sizeof f->trace, "%s/trace", f->hsm.folder);
    assert_int_equal(mkdir(f->state, 0700), 0);
    assert_int_equal(mkdir(f->profiles, 0700), 0);
    snprintf(path, sizeof path, "%s/10-test.yaml", f->profiles);
    write_file(path, profile_text);
    write_file(f->pin_file, SOFTHSM_PIN "\n");
    write_file(f->control, "");
    setenv("P11SHIM_MODULE", softhsm_path(), 1);
    setenv("P11SHIM_CONTROL", f->control, 1);
    setenv("P11SHIM_TRACE", f->trace, 1);
    find_helper(f->helper, sizeof f->helper);
    const char *const folders[] = {f->profiles, NULL};

    no_error(profile_set_load(folders, &f->set));
    no_error(io_loop_new(&f->loop));
    f->pins[0] = (struct remote_pin_source){.kind = REMOTE_PIN_FILE, .text = f->pin_file};
    f->modules[0] = (struct remote_module_conf){"softhsm", softhsm_path()};
    f->tokens[0] = (struct remote_token_conf){"a", "pkcs11:token=alpha", f->pins, 1};
    f->conf = (struct remote_conf){.helper_path = f->helper,
                                   .profiles = f->set,
                                   .modules = f->modules,
                                   .modules_n = 1,
                                   .tokens = f->tokens,
                                   .tokens_n = 1,
                                   .state_dir = f->state};
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    remote_free(&f->r);
    io_loop_free(&f->loop);
    profile_set_free(&f->set);
    softhsm_stop(&f->hsm);
    unsetenv("SSH_ASKPASS");
    unsetenv("SSH_ASKPASS_REQUIRE");
    free(f);
    return 0;
}

/* The module is the shim: faults and a trace. */
static inline void use_shim(struct fixture *f)
{
    f->modules[0].path = softhsm_shim_path();
    assert_int_equal(access(f->modules[0].path, R_OK), 0);
}

static inline void on_look(void *arg)
{
    struct fixture *f = arg;

    if (f->until(f)) {
        io_loop_stop(f->loop);
    } else {
        io_timer_set(f->look, mono_in(LOOK_EVERY_MS));
    }
}

static inline void on_limit(void *arg)
{
    struct fixture *f = arg;

    for (size_t i = 0; i < remote_tokens(f->r); i++) {
        struct remote_token t;

        remote_token_get(f->r, i, &t);
        print_error("token %zu: state %d: %s\n", i, (int)t.state, err_text(t.error));
    }
    fail_msg("what was waited for did not happen");
}

static inline void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    f->look = io_timer_new(f->loop, on_look, f);
    f->limit = io_timer_new(f->loop, on_limit, f);
    io_timer_set(f->look, mono_now());
    io_timer_set(f->limit, mono_in(LIMIT_MS));
    no_error(io_loop_run(f->loop));
    io_timer_free(&f->look);
    io_timer_free(&f->limit);
}

/* How one asynchronous question ended. */
struct outcome {
    unsigned n;
    struct err *e;
    uint8_t raw[1024];
    size_t raw_len;
    struct remote_key *key;
    char *text;
};

static struct outcome last; /* of run_sign(), run_unlock(), ... */
static unsigned awaited;

static inline void forget_outcome(void)
{
    err_free(&last.e);
    free(last.text);
    remote_key_unref(&last.key);
    last = (struct outcome){0};
}

static inline bool has_outcome(struct fixture *f)
{
    (void)f;
    return last.n >= awaited;
}

static inline void on_done(void *arg, struct err *e)
{
    struct outcome *o = arg;

    err_free(&o->e);
    o->e = e;
    o->n++;
}

static inline void on_raw(void *arg, struct err *e, struct view raw)
{
    struct outcome *o = arg;

    assert_true(raw.len <= sizeof o->raw);
    if (raw.len > 0) {
        memcpy(o->raw, raw.p, raw.len);
    }
    o->raw_len = raw.len;
    on_done(arg, e);
}

static inline void on_key(void *arg, struct err *e, struct remote_key *key)
{
    struct outcome *o = arg;

    o->key = key != NULL ? remote_key_ref(key) : NULL;
    on_done(arg, e);
}

static inline void on_text(void *arg, struct err *e, const char *text)
{
    struct outcome *o = arg;

    o->text = text_copy(text);
    on_done(arg, e);
}

static inline void on_change(void *arg)
{
    struct fixture *f = arg;

    f->changes++;
}

static inline void run_outcome(struct fixture *f)
{
    awaited = 1;
    run_until(f, has_outcome);
}

static inline void settle(struct fixture *f)
{
    forget_outcome();
    remote_when_settled(f->r, mono_in(LIMIT_MS), on_done, &last);
    run_outcome(f);
    no_error(last.e);
}

/* A remote as configured, started and settled. */
static inline void start(struct fixture *f)
{
    no_error(remote_new(f->loop, &f->conf, on_change, f, &f->r));
    remote_start(f->r);
    settle(f);
}

/* As an agent that was ended and started again. */
static inline void start_again(struct fixture *f)
{
    remote_free(&f->r);
    start(f);
}

static inline struct remote_token token(const struct fixture *f, size_t i)
{
    struct remote_token t;

    remote_token_get(f->r, i, &t);
    return t;
}

static inline void generate(struct fixture *f, enum ssh_key_type type, unsigned bits,
                            const char *label)
{
    const struct remote_key_spec spec = {.type = type, .bits = bits, .label = label};

    forget_outcome();
    remote_generate(f->r, 0, &spec, on_key, &last);
    run_outcome(f);
    no_error(last.e);
    assert_non_null(last.key);
}

static inline struct err *sign(struct fixture *f, struct remote_key *k, enum ssh_alg alg,
                               const char *text)
{
    forget_outcome();
    remote_sign(f->r, k, alg, view_cstr(text), mono_in(LIMIT_MS), 1, on_raw, &last);
    run_outcome(f);
    return last.e;
}

static inline struct err *unlock(struct fixture *f, const char *pin, bool last_try)
{
    AUTO(secret_free) struct secret *s = NULL;

    if (pin != NULL) {
        no_error(secret_new(view_cstr(pin), &s));
    }
    forget_outcome();
    remote_unlock(f->r, 0, s, last_try, on_done, &last);
    run_outcome(f);
    return last.e;
}

/* The signature in last is one of this key over the text. */
static inline void check_signature(const struct remote_key *k, enum ssh_alg alg, const char *text)
{
    AUTO(buf_deinit) struct buf sig;

    buf_init(&sig, 0);
    no_error(ssh_sig_put(&sig, remote_key_public(k), alg, view_of(last.raw, last.raw_len)));
    no_error(ssh_sig_verify(remote_key_public(k), buf_view(&sig), view_cstr(text), NULL));
}

/* How often the module was called so, by the shim's trace. */
static inline unsigned calls_of(const struct fixture *f, const char *call)
{
    FILE *file = fopen(f->trace, "r");
    char line[128];
    unsigned n = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        n += strncmp(line, call, strlen(call)) == 0 && line[strlen(call)] == ' ';
    }
    if (file != NULL) {
        fclose(file);
    }
    return n;
}

static inline int main_of(const struct CMUnitTest *tests, size_t n, const char *name)
{
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* for the helper: it is not dumpable */
    secret_heap_init();
    log_init(name, LOG_ERROR);
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

#endif
