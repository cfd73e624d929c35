/*
 * Curves as vendors write them: the six forms of Ed25519, the forms of the older curves, and that a
 * profile can narrow them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pkcs11/token/priv.h"

static const enum ssh_key_type types[] = {SSH_KEY_P256, SSH_KEY_P384, SSH_KEY_P521,
                                          SSH_KEY_ED25519};

static size_t bare_bytes(enum ssh_key_type type)
{
    return type == SSH_KEY_P256 ? 65 : type == SSH_KEY_P384 ? 97 : type == SSH_KEY_P521 ? 133 : 32;
}

static struct view bare(enum ssh_key_type type, uint8_t out[160])
{
    memset(out, 0xa5, 160);
    if (type != SSH_KEY_ED25519) {
        out[0] = 4;
    }
    return view_of(out, bare_bytes(type));
}

/* DER of a string with @tag around @inner, after @pad zero bytes. */
static struct view wrap(uint8_t tag, struct view inner, size_t pad, uint8_t out[160])
{
    size_t len = inner.len + pad;
    size_t at = 0;

    out[at++] = tag;
    if (len >= 0x80) {
        out[at++] = 0x81;
    }
    out[at++] = (uint8_t)len;
    memset(out + at, 0, pad);
    memcpy(out + at + pad, inner.p, inner.len);
    return view_of(out, at + len);
}

static bool accepts(enum ssh_key_type type, struct view value, enum profile_point form)
{
    uint8_t bytes[160];
    struct view got;

    return point_decode(type, value, form, &got) && view_eq(got, bare(type, bytes));
}

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        uint8_t a[160];
        uint8_t b[160];
        uint8_t c[160];
        struct view raw = bare(types[i], a);
        struct view octets = wrap(0x04, raw, 0, b);
        struct view bits = wrap(0x03, raw, 1, c);

        assert_true(accepts(types[i], raw, PROFILE_POINT_ANY));
        assert_true(accepts(types[i], octets, PROFILE_POINT_ANY));
        assert_true(accepts(types[i], bits, PROFILE_POINT_ANY));
        assert_true(accepts(types[i], octets, PROFILE_POINT_OCTET_STRING));
        assert_false(accepts(types[i], raw, PROFILE_POINT_OCTET_STRING));
        assert_false(accepts(types[i], bits, PROFILE_POINT_OCTET_STRING));
        assert_true(accepts(types[i], raw, PROFILE_POINT_RAW));
        assert_false(accepts(types[i], octets, PROFILE_POINT_RAW));
    }
}

static void test_params(void **state)
{
    (void)state;
    enum ssh_key_type type;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        assert_true(point_type(point_params(types[i], PROFILE_PARAMS_OID), &type));
        assert_int_equal(type, types[i]);
        assert_true(point_type(point_params(types[i], PROFILE_PARAMS_NAME), &type));
        assert_int_equal(type, types[i]);
    }
    assert_true(view_is(point_params(SSH_KEY_ED25519, PROFILE_PARAMS_NAME), "\x13\x0c"
                                                                            "edwards25519"));
    assert_true(view_is(point_params(SSH_KEY_P256, PROFILE_PARAMS_NAME),
                        "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"));
    assert_false(point_type(view_cstr("\x06\x05\x2b\x81\x04\x01\x0a"), &type)); /* secp256k1 */
    assert_false(point_type(view_cstr("\x13\x0a"
                                      "curve25519"),
                            &type));
    assert_false(point_type(view_of(NULL, 0), &type));
}

/* Cut, grown or flipped in its frame, a point is refused: only its own bytes may differ. */
static void test_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        uint8_t a[160];
        uint8_t b[160];
        struct view raw = bare(types[i], a);
        struct view octets = wrap(0x04, raw, 0, b);
        size_t header = octets.len - raw.len;
        struct view got;

        for (size_t cut = 0; cut < octets.len; cut++) {
            AUTO(auto_free) char *exact = view_dup(view_of(octets.p, cut));

            assert_int_equal(point_decode(types[i], view_of(exact, cut), PROFILE_POINT_ANY, &got),
                             cut == raw.len);
        }
        assert_false(
            point_decode(types[i], view_of(octets.p, octets.len + 1), PROFILE_POINT_ANY, &got));
        for (size_t bit = 0; bit < 8 * header; bit++) {
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(point_decode(types[i], octets, PROFILE_POINT_ANY, &got));
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void test_rsa_has_no_point(void **state)
{
    (void)state;
    struct view got;

    assert_false(point_decode(SSH_KEY_RSA, view_of(NULL, 0), PROFILE_POINT_ANY, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_rsa_has_no_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
