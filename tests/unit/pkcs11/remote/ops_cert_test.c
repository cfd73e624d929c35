/*
 * Certificates on the wire: there and back, cut off at each byte, with each bit flipped, beyond the
 * limits, and in pages that hold them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pkcs11/remote/ops.h"

static struct token_cert sample(uint8_t *der, size_t len)
{
    static char label[] = "ca";

    return (struct token_cert){
        .label = label, .id = {1, 2}, .id_len = 2, .der = {.data = der, .len = len}};
}

/* Reads a copy of exact size; what is understood has to be what the writer would have written. */
static bool is_page(struct view bytes)
{
    AUTO(auto_free) uint8_t *copy = malloc(bytes.len + 1);
    AUTO(buf_deinit) struct buf again;
    struct token_cert *certs = NULL;
    size_t total = 0;
    size_t n = 0;

    buf_init(&again, 0);
    assert_non_null(copy);
    uint8_t *exact = copy + 1; /* the end of the block is the end of the message */

    memcpy(exact, bytes.p, bytes.len);
    struct rd r = rd_of(view_of(exact, bytes.len));
    AUTO(err_free) struct err *e = ops_cert_page_get(&r, &total, &certs, &n);

    if (e != NULL) {
        assert_true(err_is(e, ERR_PROTOCOL));
        assert_null(certs);
        return false;
    }
    ops_cert_page_put(&again, certs, n, 0);
    ops_cert_list_free(&certs, n);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data + 4, bytes.p + 4, bytes.len - 4); /* less the total */
    return true;
}

static void put_sample(struct buf *b)
{
    uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x05};
    char none[] = "";
    struct token_cert certs[2] = {sample(der, sizeof der), {.label = none}};

    certs[1].der = (struct buf){.data = der, .len = 1};
    buf_init(b, 0);
    ops_cert_page_put(b, certs, 2, 0);
}

static void test_page(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    put_sample(&b);
    assert_true(is_page(buf_view(&b)));
    for (size_t len = 0; len < b.len; len++) {
        assert_false(is_page(view_of(b.data, len)));
    }
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        is_page(buf_view(&b));
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_put_u8(&b, 0);
    assert_false(is_page(buf_view(&b)));
}

static bool is_request(struct view bytes)
{
    AUTO(buf_deinit) struct buf again;
    struct ops_certs c = {0};
    struct rd r = rd_of(bytes);
    AUTO(err_free) struct err *e = ops_certs_get(&r, &c);

    buf_init(&again, 0);
    ops_certs_put(&again, &c);
    assert_true(e != NULL || view_eq(buf_view(&again), bytes));
    return e == NULL;
}

static bool is_request_for(uint32_t lane, uint32_t first)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    ops_certs_put(&b, &(struct ops_certs){lane, first});
    for (size_t len = 0; len < b.len; len++) {
        assert_false(is_request(view_of(b.data, len)));
    }
    bool taken = is_request(buf_view(&b));

    buf_put_u8(&b, 0);
    assert_false(is_request(buf_view(&b)));
    return taken;
}

static void test_request(void **state)
{
    (void)state;
    assert_true(is_request_for(1, 0));
    assert_true(is_request_for(OPS_LANES_MAX, TOKEN_CERTS_MAX));
    assert_false(is_request_for(0, 0));
    assert_false(is_request_for(OPS_LANES_MAX + 1, 0));
    assert_false(is_request_for(1, TOKEN_CERTS_MAX + 1));
}

static bool is_page_of(size_t id_len, size_t label_len, size_t der_len)
{
    AUTO(buf_deinit) struct buf b;
    static uint8_t bytes[TOKEN_CERT_MAX_BYTES + 1];

    memset(bytes, 'x', sizeof bytes);
    buf_init(&b, 0);
    buf_put_u32(&b, 1);
    buf_put_u32(&b, 1);
    buf_put_string(&b, view_of(bytes, label_len));
    buf_put_string(&b, view_of(bytes, id_len));
    buf_put_string(&b, view_of(bytes, der_len));
    return is_page(buf_view(&b));
}

static void test_limits(void **state)
{
    (void)state;
    assert_true(is_page_of(TOKEN_ID_MAX_BYTES, TOKEN_LABEL_MAX_BYTES, TOKEN_CERT_MAX_BYTES));
    assert_false(is_page_of(TOKEN_ID_MAX_BYTES + 1, 1, 1));
    assert_false(is_page_of(1, TOKEN_LABEL_MAX_BYTES + 1, 1));
    assert_false(is_page_of(1, 1, TOKEN_CERT_MAX_BYTES + 1));
    assert_false(is_page_of(1, 1, 0));
}

static bool is_change_of(size_t id_len, size_t label_len, size_t der_len)
{
    static uint8_t bytes[TOKEN_CERT_MAX_BYTES + 1];
    AUTO(buf_deinit) struct buf b;
    struct ops_cert c = {0};

    memset(bytes, 'x', sizeof bytes);
    buf_init(&b, 0);
    buf_put_u32(&b, 1);
    buf_put_string(&b, view_of(bytes, id_len));
    buf_put_string(&b, view_of(bytes, 10));
    buf_put_string(&b, view_of(bytes, label_len));
    buf_put_string(&b, view_of(bytes, der_len));
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = ops_cert_get(&r, &c);

    assert_true(e != NULL || (strlen(c.label) == label_len && c.der.len == der_len));
    return e == NULL;
}

static void test_change_limits(void **state)
{
    (void)state;
    assert_true(is_change_of(TOKEN_ID_MAX_BYTES, TOKEN_LABEL_MAX_BYTES, TOKEN_CERT_MAX_BYTES));
    assert_true(is_change_of(0, 0, 0));
    assert_false(is_change_of(TOKEN_ID_MAX_BYTES + 1, 1, 1));
    assert_false(is_change_of(1, TOKEN_LABEL_MAX_BYTES + 1, 1));
    assert_false(is_change_of(1, 1, TOKEN_CERT_MAX_BYTES + 1));
}

static void test_pages_hold_all(void **state)
{
    static uint8_t der[TOKEN_CERT_MAX_BYTES];
    struct token_cert certs[TOKEN_CERTS_MAX];
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(certs); i++) {
        certs[i] = sample(der, sizeof der);
        certs[i].id[0] = (uint8_t)i;
    }
    while (seen < ARRAY_LEN(certs)) {
        AUTO(buf_deinit) struct buf b;
        struct token_cert *page = NULL;
        size_t total = 0;
        size_t n = 0;

        buf_init(&b, 0);
        ops_cert_page_put(&b, certs, ARRAY_LEN(certs), seen);
        assert_false(b.failed);
        struct rd r = rd_of(buf_view(&b));

        assert_null(ops_cert_page_get(&r, &total, &page, &n));
        assert_int_equal(total, ARRAY_LEN(certs));
        assert_true(n > 0 && n < total && seen + n <= total);
        assert_int_equal(page[n - 1].id[0], seen + n - 1);
        ops_cert_list_free(&page, n);
        seen += n;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),           cmocka_unit_test(test_request),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_change_limits),
        cmocka_unit_test(test_pages_hold_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
