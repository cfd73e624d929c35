#ifndef HF_TESTS_POLICY_STATEMENT_FIXTURE_H
#define HF_TESTS_POLICY_STATEMENT_FIXTURE_H

/* Samples of each shape, verdicts on them, and ways to damage them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/statement_samples.h"

enum { TLS13_HEAD_BYTES = 64 + 33 + 1 };

static struct buf tls13, tls12, csr, jwt, spki;

static const char plain_header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
static const char plain_payload[] = "{\"iss\":\"holdfast\",\"sub\":\"host1\",\"aud\":\"vault\","
                                    "\"iat\":1700000000,\"exp\":1700000075}";

/* What a JWT has to claim. */
static struct policy_claims claims;

/* --- verdicts ----------------------------------------------------------------------------------- */

static inline bool is_allowed(struct view m, enum scheme scheme, enum policy_statement *kind,
                              const char **why)
{
    struct ssh_payload ssh;

    *why = NULL;
    bool yes = policy_statement(m, scheme, buf_view(&spki), &claims, kind, why) == POLICY_ALLOW;

    assert_int_equal(yes, *why == NULL);
    ssh_payload_read(m, &ssh);
    assert_true(!yes || ssh.kind == SSH_PAYLOAD_UNKNOWN);
    return yes;
}

static inline void allowed(const struct buf *m, enum scheme scheme, enum policy_statement kind)
{
    enum policy_statement got;
    const char *why;

    if (!is_allowed(buf_view(m), scheme, &got, &why)) {
        fail_msg("%s", why);
    }
    assert_int_equal(got, kind);
}

static inline void denied_view(struct view m, enum scheme scheme, const char *text)
{
    enum policy_statement kind = POLICY_STATEMENT_CSR;
    const char *why;

    assert_false(is_allowed(m, scheme, &kind, &why));
    assert_int_equal(kind, POLICY_STATEMENT_CSR); /* written on success only */
    if (strstr(why, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, why);
    }
}

static inline void denied(const struct buf *m, enum scheme scheme, const char *text)
{
    denied_view(buf_view(m), scheme, text);
}

/* Cut anywhere, or with one byte more, it is nothing. Each in a block of its own, for ASan. */
static inline void whole_only(const struct buf *m)
{
    for (size_t len = 0; len <= m->len + 1; len++) {
        enum policy_statement kind;
        const char *why;
        uint8_t *copy = calloc(1, len + 1);

        assert_non_null(copy);
        memcpy(copy, m->data, len < m->len ? len : m->len);
        if (len > m->len) {
            copy[m->len] = 'A';
        }
        bool yes = is_allowed(view_of(copy, len), SCHEME_ES256, &kind, &why);

        assert_int_equal(yes, len == m->len);
        free(copy);
    }
}

/* One bit at a time; how many of the results are still allowed. */
static inline size_t flip_all(struct buf *m, size_t from, size_t to)
{
    size_t yes = 0;

    for (size_t bit = from * 8; bit < to * 8; bit++) {
        enum policy_statement kind;
        const char *why;

        m->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        yes += is_allowed(buf_view(m), SCHEME_ES256, &kind, &why);
        m->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    return yes;
}

static inline void put_tls13(struct buf *b, size_t spaces, const char *context, size_t hash)
{
    buf_clear(b);
    for (size_t i = 0; i < spaces; i++) {
        buf_put_u8(b, ' ');
    }
    buf_put(b, context, strlen(context) + 1);
    memset(buf_reserve(b, hash), 0x5a, hash);
}

enum {
    HELLO,
    SERVER_HELLO,
    SERVER_CERT,
    SERVER_KEY,
    REQUEST,
    DONE,
    CLIENT_CERT,
    CLIENT_KEY,
    PARTS
};

static struct view parts[PARTS];

static inline void split_tls12(void)
{
    struct rd r = rd_of(buf_view(&tls12));

    for (size_t i = 0; i < PARTS; i++) {
        const uint8_t *p = r.p;
        uint32_t len = (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

        rd_bytes(&r, 4 + len);
        parts[i] = view_of(p, 4 + len);
    }
    assert_true(rd_at_end(&r) && !rd_failed(&r));
}

static inline void put_base64url(struct buf *b, const char *text)
{
    AUTO(auto_free) char *plain = text_base64(view_cstr(text));

    for (const char *p = plain; *p != '\0' && *p != '='; p++) {
        buf_put_u8(b, (uint8_t)(*p == '+' ? '-' : *p == '/' ? '_' : *p));
    }
}

static inline void put_jwt(const char *header, const char *payload)
{
    buf_clear(&jwt);
    put_base64url(&jwt, header);
    buf_put_u8(&jwt, '.');
    put_base64url(&jwt, payload);
}

/* --- the samples -------------------------------------------------------------------------------- */

static inline int set_up(void **state)
{
    struct buf *const all[] = {&tls13, &tls12, &csr, &jwt, &spki};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_init(all[i], 0);
    }
    put_tls13(&tls13, 64, "TLS 1.3, client CertificateVerify", 32);
    assert_null(text_unhex(sample_tls12, &tls12));
    assert_null(text_unhex(sample_csr, &csr));
    assert_null(text_unhex(sample_spki, &spki));
    put_jwt(plain_header, plain_payload);
    claims = (struct policy_claims){"holdfast", "host1", "vault"};
    split_tls12();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    buf_deinit(&tls13);
    buf_deinit(&tls12);
    buf_deinit(&csr);
    buf_deinit(&jwt);
    buf_deinit(&spki);
    return 0;
}

#endif
