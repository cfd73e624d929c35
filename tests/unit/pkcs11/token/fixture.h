#ifndef HF_TESTS_PKCS11_TOKEN_FIXTURE_H
#define HF_TESTS_PKCS11_TOKEN_FIXTURE_H

/*
 * A real SoftHSM token behind the shim, opened, for one test. What the shim breaks is written to
 * its control file; what was called is read from its trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>

#include "fakes/softhsm.h"
#include "pkcs11/token/token.h"

/* SoftHSM 2.6.1 loses 37 bytes with every C_SignInit for Ed25519. To see that a leak is its own, the
 * sanitizer has to unwind through libraries without frame pointers, which takes twenty times as long: a
 * test without such keys defines FIXTURE_NO_ED25519. */
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
#ifdef FIXTURE_NO_ED25519
    return "";
#else
    return "fast_unwind_on_malloc=0";
#endif
}

const char *__lsan_default_suppressions(void)
{
    return "leak:libsofthsm2.so\n";
}

struct fixture {
    struct softhsm softhsm;
    char control[128], trace[128];
    struct token_module *module;
    struct token *token;
    struct token_info info;
    struct p11_library *raw; /* the same module's function table, for what token.h does not do */
    CK_FUNCTION_LIST *f;
};

static const struct profile_load fixture_load = {
    .os_locking = true, .threads_max = 8, .finalize = true};

static const struct profile_token fixture_profile = {
    .ed25519 = true, .generate = true, .sign_only = true, .cka_sensitive_reported = true};

static inline void assert_ok(struct err *e)
{
    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
}

/** assert_err() - @e (taken) has this code and mentions @text */
static inline void assert_err(struct err *e, enum err_code code, const char *text)
{
    if (err_code_name(e != NULL ? err_code(e) : ERR_BUG) != err_code_name(code) ||
        strstr(err_text(e), text) == NULL) {
        fail_msg("'%s' (%s) is not the %s error with '%s'", err_text(e),
                 e != NULL ? err_code_name(err_code(e)) : "none", err_code_name(code), text);
    }
    err_free(&e);
}

/** plan() - what the shim breaks from now on; its counters start anew when the text changes */
static inline void plan(const struct fixture *x, const char *text)
{
    assert_ok(file_replace(x->control, view_cstr(text), 0600));
}

static inline void trace_clear(const struct fixture *x)
{
    unlink(x->trace);
}

/** traced() - how often this call was made since trace_clear(); "" counts all calls */
static inline unsigned traced(const struct fixture *x, const char *call)
{
    AUTO(buf_deinit) struct buf text;
    unsigned n = 0;

    buf_init(&text, 0);
    struct err *none = file_read(x->trace, BUF_MAX_BYTES - 1, &text);

    err_free(&none); /* no file yet: nothing was called */
    buf_put_u8(&text, 0);
    for (char *line = (char *)text.data; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        size_t len = strlen(call);

        n += len == 0 || (strncmp(line, call, len) == 0 && line[len] == ' ');
        line = end != NULL ? end + 1 : NULL;
    }
    return n;
}

static inline void fixture_load_module(struct fixture *x)
{
    assert_ok(token_module_load(softhsm_shim_path(), &fixture_load, &x->module));
}

static inline void fixture_open(struct fixture *x, const struct profile_token *profile)
{
    size_t n = 0;

    assert_ok(token_list(x->module, &x->info, 1, &n));
    assert_int_equal(n, 1);
    assert_ok(token_open(x->module, &x->info, profile, &x->token));
}

static inline struct err *login_with(struct token *t, const char *pin)
{
    AUTO(secret_free) struct secret *s = NULL;

    assert_ok(secret_new(view_cstr(pin), &s));
    return token_login(t, s, TOKEN_LOGIN_KEEP_LAST_TRY);
}

/** fixture_start() - a fresh token, module loaded, nothing opened */
static inline int fixture_start(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);

    if (x == NULL || softhsm_path() == NULL || softhsm_start(&x->softhsm, "demo") != 0) {
        return -1;
    }
    snprintf(x->control, sizeof x->control, "%s/plan", x->softhsm.folder);
    snprintf(x->trace, sizeof x->trace, "%s/trace", x->softhsm.folder);
    setenv("P11SHIM_CONTROL", x->control, 1);
    setenv("P11SHIM_TRACE", x->trace, 1);
    assert_ok(p11_library_open(softhsm_shim_path(), &x->raw));
    x->f = p11_library_functions(x->raw);
    fixture_load_module(x);
    *state = x;
    return 0;
}

/** fixture_start_open() - and the token opened and logged in */
static inline int fixture_start_open(void **state)
{
    if (fixture_start(state) != 0) {
        return -1;
    }
    fixture_open(*state, &fixture_profile);
    assert_ok(login_with(((struct fixture *)*state)->token, SOFTHSM_PIN));
    return 0;
}

static inline int fixture_stop(void **state)
{
    struct fixture *x = *state;

    plan(x, "");
    token_close(&x->token);
    token_module_unload(&x->module);
    p11_library_close(&x->raw);
    softhsm_stop(&x->softhsm);
    free(x);
    return 0;
}

/** fixture_session() - a raw read-write session of the test's own */
static inline CK_SESSION_HANDLE fixture_session(const struct fixture *x)
{
    CK_SESSION_HANDLE s = 0;

    assert_int_equal(
        x->f->C_OpenSession(x->info.slot_id, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s),
        CKR_OK);
    return s;
}

/** fixture_drop_certs() - destroy every certificate that has this id of one byte */
static inline void fixture_drop_certs(const struct fixture *x, uint8_t id)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, &id, sizeof id}};
    CK_OBJECT_HANDLE found[16];
    CK_ULONG n = 0;
    CK_SESSION_HANDLE s = fixture_session(x);

    assert_int_equal(x->f->C_FindObjectsInit(s, templ, ARRAY_LEN(templ)), CKR_OK);
    assert_int_equal(x->f->C_FindObjects(s, found, ARRAY_LEN(found), &n), CKR_OK);
    assert_int_equal(x->f->C_FindObjectsFinal(s), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++) {
        assert_int_equal(x->f->C_DestroyObject(s, found[i]), CKR_OK);
    }
    x->f->C_CloseSession(s);
}

/** What fixture_make() puts on the token: P-256 unless it says otherwise. */
struct made {
    const char *label;
    uint8_t id;
    bool extractable, always_authenticate, no_public, not_for_signing;
};

/** fixture_make() - a pair made by a raw template, past token_generate()'s checks */
static inline void fixture_make(const struct fixture *x, const struct made *m)
{
    static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_BYTE id = m->id;
    void *label = (void *)(uintptr_t)m->label;
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, m->no_public ? &no : &yes, sizeof yes},
        {CKA_EC_PARAMS, p256, sizeof p256},
        {CKA_ID, &id, 1},
        {CKA_LABEL, label, strlen(m->label)},
    };
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, m->extractable ? &no : &yes, sizeof yes},
        {CKA_EXTRACTABLE, m->extractable ? &yes : &no, sizeof yes},
        {CKA_SIGN, m->not_for_signing ? &no : &yes, sizeof yes},
        {CKA_ALWAYS_AUTHENTICATE, m->always_authenticate ? &yes : &no, sizeof yes},
        {CKA_ID, &id, 1},
        {CKA_LABEL, label, strlen(m->label)},
    };
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE a;
    CK_OBJECT_HANDLE b;
    CK_SESSION_HANDLE s = fixture_session(x);

    assert_int_equal(x->f->C_GenerateKeyPair(s, &mechanism, public, ARRAY_LEN(public), private,
                                             ARRAY_LEN(private), &a, &b),
                     CKR_OK);
    x->f->C_CloseSession(s);
}

static inline void fixture_generate(const struct fixture *x, enum ssh_key_type type,
                                    const char *label, struct token_key *ret)
{
    struct token_key_spec spec = {.type = type, .bits = 2048, .label = label};

    assert_ok(token_generate(x->token, 0, &spec, ret));
}

/** sign_and_verify() - one signature over @data, checked against the public half */
static inline struct err *sign_and_verify(struct token *t, unsigned worker,
                                          const struct token_key *k, enum ssh_alg alg,
                                          struct view data)
{
    AUTO(buf_deinit) struct buf raw;
    AUTO(buf_deinit) struct buf blob;

    buf_init(&raw, 0);
    buf_init(&blob, 0);
    enum scheme scheme;
    struct err *e = ssh_alg_scheme(alg, &scheme) ? NULL : err_new(ERR_UNSUPPORTED, "no scheme");

    if (e == NULL) {
        e = token_sign(t, worker, k->number, scheme, data, &raw);
    }

    if (e == NULL) {
        e = ssh_sig_put(&blob, k->key, alg, buf_view(&raw));
    }
    return e == NULL ? ssh_sig_verify(k->key, buf_view(&blob), data, NULL) : e;
}

#endif
