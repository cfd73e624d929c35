/* Certificates in PEM: what is taken, and each thing that is not. */
#include "registry/fixture.h"
#include "registry/pem.h"
#include "registry/x509.h"

#define START "Invalid request: Certificate is not a valid X509 Certificate: "

static struct err *read_text(const char *text, size_t len, json_t **ret)
{
    return registry_x509_read(view_of(text, len), ret);
}

static void refuses(const char *text, size_t len, enum err_code code, const char *part)
{
    json_t *facts = NULL;
    struct err *e = read_text(text, len, &facts);

    if (!err_is(e, code) || strncmp(err_text(e), START, strlen(START)) != 0 ||
        strstr(err_text(e), part) == NULL) {
        fail_msg("wanted '%s', got '%s'", part, err_text(e));
    }
    err_free(&e);
}

static void refuses_text(const char *text, const char *part)
{
    refuses(text, strlen(text), ERR_INPUT, part);
}

static json_t *facts_of(const char *text)
{
    json_t *facts = NULL;
    struct err *e = read_text(text, strlen(text), &facts);

    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
    return facts;
}

static void order_is(const char *text, const char *order)
{
    json_t *facts = facts_of(text);

    assert_string_equal(json_string_value(json_object_get(facts, "order")), order);
    json_decref(facts);
}

static void chains(void **state)
{
    AUTO(made_deinit) struct made root = make_cert("Root", NULL, -DAY, DAY);
    AUTO(made_deinit) struct made mid = make_cert("Mid", &root, -DAY, DAY);
    AUTO(made_deinit) struct made leaf = make_cert("Zürich \xe2\x80\xae", &mid, -DAY, DAY);
    AUTO(made_deinit) struct made other = make_cert("Other", NULL, -DAY, DAY);
    AUTO(auto_free) char *r = pem_of(&root);
    AUTO(auto_free) char *m = pem_of(&mid);
    AUTO(auto_free) char *l = pem_of(&leaf);
    AUTO(auto_free) char *o = pem_of(&other);
    AUTO(auto_free) char *right = text_fmt("\n%s  \n\t\n%s%s\n\n", l, m, r);
    AUTO(auto_free) char *reversed = text_fmt("%s%s%s", r, m, l);
    AUTO(auto_free) char *mixed = text_fmt("%s%s%s", l, r, m);
    AUTO(auto_free) char *bundle = text_fmt("%s%s", r, o);

    (void)state;
    order_is(r, "single");
    order_is(right, "leaf first");
    order_is(reversed, "wrong order: the root comes first; a chain begins with the leaf");
    order_is(mixed,
             "wrong order: certificate 1 was issued by certificate 3, which should follow it");
    order_is(bundle, "no chain: certificate 1 was not issued by certificate 2");
    json_t *facts = facts_of(right);
    const json_t *list = json_object_get(facts, "certificates");
    const char *subject = json_string_value(json_object_get(json_array_get(list, 0), "subject"));

    assert_int_equal(json_array_size(list), 3);
    assert_null(strstr(subject, "\xe2\x80\xae")); /* a bidirectional override is escaped */
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "issuer")),
                        "CN=Root");
    assert_int_equal(
        json_string_length(json_object_get(json_array_get(list, 1), "fingerprint_sha256")), 64);
    json_decref(facts);
}

static void line_ends(void **state)
{
    AUTO(made_deinit) struct made ca = make_cert("CA", NULL, -DAY, DAY);
    AUTO(auto_free) char *pem = pem_of(&ca);
    AUTO(buf_deinit) struct buf crlf;
    AUTO(auto_free) char *bom = text_fmt("\xef\xbb\xbf%s", pem);

    (void)state;
    buf_init(&crlf, 0);
    for (const char *p = pem; *p != '\0'; p++) {
        buf_put(&crlf, *p == '\n' ? "\r\n" : p, *p == '\n' ? 2 : 1);
    }
    buf_put_u8(&crlf, 0);
    order_is((const char *)crlf.data, "single");
    refuses_text(bom, "byte order mark");
    pem[strlen(pem) - 1] = '\0'; /* no line feed at the end */
    order_is(pem, "single");
}

static void what_is_no_certificate(void **state)
{
    AUTO(made_deinit) struct made ca = make_cert("CA", NULL, -DAY, DAY);
    AUTO(auto_free) char *pem = pem_of(&ca);
    AUTO(auto_free) char *key = key_pem_of(&ca);
    AUTO(auto_free) char *with_key = text_fmt("%s\n%s", pem, key);
    AUTO(auto_free) char *comment = text_fmt("%s# Corp\n%s", pem, pem);
    AUTO(auto_free) char *twice = text_fmt("%.60s\n%s", pem, pem);
    unsigned char *der = NULL;
    int der_len = i2d_X509(ca.cert, &der);

    (void)state;
    refuses_text("", "there is no certificate in it");
    refuses_text(" \n\n", "there is no certificate in it");
    refuses_text("hunter2\n", "line 1 is neither");
    refuses((const char *)der, (size_t)der_len, ERR_INPUT, "it is DER");
    OPENSSL_free(der);
    refuses("a\0b", 3, ERR_INPUT, "binary");
    refuses_text(with_key, "begins a private key");
    refuses_text(comment, "is neither white space nor a certificate");
    refuses_text(twice, "does not end certificate 1, which begins on line 1");
    refuses_text("-----BEGIN CERTIFICATE-----\n", "has no end");
    refuses_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "not base64");
    refuses_text("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
                 "certificate 1 (line 1) is not base64");
    refuses_text("\n-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
                 "certificate 1 (line 2) cannot be parsed");
    refuses_text("-----BEGIN PUBLIC KEY-----\n", "line 1 begins something that is no certificate");

    json_t *facts = NULL;
    struct err *e = read_text(with_key, strlen(with_key), &facts);

    key[80] = '\0'; /* the first line of its base64 */
    assert_null(strstr(err_text(e), strchr(key, '\n') + 1));
    err_free(&e);
}

static void limits(void **state)
{
    AUTO(made_deinit) struct made ca = make_cert("CA", NULL, -DAY, DAY);
    AUTO(auto_free) char *pem = pem_of(&ca);
    size_t len = strlen(pem);
    AUTO(auto_free) char *many = calloc(101, len + 1);
    AUTO(auto_free) char *large = malloc(10 * 1024 * 1024);

    (void)state;
    for (size_t i = 0; i < 101; i++) {
        memcpy(many + i * len, pem, len);
    }
    refuses(many, 101 * len, ERR_LIMIT, "more than 100 certificates (line ");
    many[100 * len] = '\0';
    json_t *facts = facts_of(many);

    assert_int_equal(json_array_size(json_object_get(facts, "certificates")), 100);
    json_decref(facts);
    memset(large, '\n', 10 * 1024 * 1024);
    refuses(large, 10 * 1024 * 1024, ERR_LIMIT, "at most 917504 are allowed");
}

static void truncated_and_flipped(void **state)
{
    AUTO(made_deinit) struct made ca = make_cert("CA", NULL, -DAY, DAY);
    AUTO(auto_free) char *pem = pem_of(&ca);
    size_t len = strlen(pem);

    (void)state;
    for (size_t n = 0; n + 1 < len; n++) {
        refuses(pem, n, ERR_INPUT, "");
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        json_t *facts = NULL;

        pem[bit / 8] = (char)(pem[bit / 8] ^ 1 << bit % 8);
        struct err *e = read_text(pem, len, &facts);

        assert_true((e != NULL) == (facts == NULL));
        assert_true(e == NULL || strncmp(err_text(e), START, strlen(START)) == 0);
        err_free(&e);
        json_decref(facts);
        pem[bit / 8] = (char)(pem[bit / 8] ^ 1 << bit % 8);
    }
}

static json_t *warnings_of(long from, long to)
{
    AUTO(made_deinit) struct made ca = make_cert("CA", NULL, from, to);
    AUTO(auto_free) char *pem = pem_of(&ca);
    json_t *facts = facts_of(pem);
    json_t *list = json_array();

    assert_null(registry_x509_warn(facts, wall_now(), list));
    json_decref(facts);
    return list;
}

static void warns(long from, long to, const char *part)
{
    json_t *list = warnings_of(from, to);
    const char *text = json_string_value(json_array_get(list, 0));

    if (part == NULL ? text != NULL : text == NULL || strstr(text, part) == NULL) {
        fail_msg("%ld %ld: %s", from, to, text != NULL ? text : "(none)");
    }
    json_decref(list);
}

static void warnings(void **state)
{
    (void)state;
    warns(-DAY, 31 * DAY, NULL);
    warns(-DAY, 29 * DAY, "certificate 1 expires in 2");
    warns(-DAY, DAY + 9, "certificate 1 expires in 1 day, at ");
    warns(-2 * DAY, -DAY, "certificate 1 expired at ");
    warns(DAY, 90 * DAY, "is not valid before ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(what_is_no_certificate),
        cmocka_unit_test(limits),
        cmocka_unit_test(truncated_and_flipped),
        cmocka_unit_test(warnings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
