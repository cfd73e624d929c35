/*
 * The table behind every sign request: the hash is SipHash as published, equal blobs meet, others
 * do not, and a table that is as full as it may be still ends every search.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/priv.h"

enum { MANY = 3000 };

/* Spec: the vectors of the SipHash paper's reference: key 00 01 .. 0f, data 00 01 .. */
static void hash_is_siphash_2_4(void **state)
{
    static const uint64_t expected[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    };
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t data[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        data[i] = (uint8_t)i;
        assert_true(identity_index_hash(key, view_of(data, i)) == expected[i]);
    }
}

static void finds_what_was_put_and_nothing_else(void **state)
{
    struct identity_index *x = identity_index_new(MANY);
    static uint32_t blobs[2 * MANY];
    struct identity_use use;

    (void)state;
    assert_non_null(x);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        blobs[i] = i;
        if (i < MANY) {
            use = (struct identity_use){.cert = (const void *)&blobs[i]};
            identity_index_put(x, view_of(&blobs[i], sizeof blobs[i]), &use);
        }
    }
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        uint32_t copy = i;
        bool found = identity_index_get(x, view_of(&copy, sizeof copy), NULL, NULL, &use);

        assert_int_equal(found, i < MANY);
        assert_true(!found || use.cert == (const void *)&blobs[i]);
    }
    assert_false(identity_index_get(x, view_of("", 0), NULL, NULL, &use));
    identity_index_free(&x);
    assert_null(x);
}

static bool is_second(const void *arg, const struct identity *i)
{
    return i == arg;
}

static void of_equal_blobs_the_first_that_is_wanted(void **state)
{
    struct identity_index *x = identity_index_new(3);
    struct identity a = {0}, b = {0}, c = {0};
    int first, second;
    struct identity_use use = {.identity = &a, .cert = (const void *)&first};

    (void)state;
    identity_index_put(x, view_cstr("blob"), &use);
    use.cert = (const void *)&second;
    identity_index_put(x, view_cstr("blob"), &use);
    use.identity = &b;
    identity_index_put(x, view_cstr("blob"), &use);
    assert_true(identity_index_get(x, view_cstr("blob"), NULL, NULL, &use));
    assert_ptr_equal(use.identity, &a);
    assert_ptr_equal(use.cert, &first);
    assert_true(identity_index_get(x, view_cstr("blob"), is_second, &b, &use));
    assert_ptr_equal(use.identity, &b);
    assert_false(identity_index_get(x, view_cstr("blob"), is_second, &c, &use));
    identity_index_free(&x);
}

static void two_tables_have_two_keys(void **state)
{
    struct identity_index *a = identity_index_new(1), *b = identity_index_new(1);
    const uint64_t *ka = (const void *)a, *kb = (const void *)b;

    (void)state;
    assert_true(ka[0] != kb[0] && ka[1] != kb[1]);
    identity_index_free(&a);
    identity_index_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash_2_4),
        cmocka_unit_test(finds_what_was_put_and_nothing_else),
        cmocka_unit_test(of_equal_blobs_the_first_that_is_wanted),
        cmocka_unit_test(two_tables_have_two_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
