/*
 * Certificates in PEM. The text is read line by line, so that a message can say where: between the
 * certificates stands nothing but white space, and a private key that was pasted along is refused
 * without any of it coming back. OpenSSL parses each certificate; what it says is kept as facts.
 *
 * A CA bundle may hold certificates that have nothing to do with each other, so an order that is not
 * "leaf first" is told, not refused.
 */
#include "registry/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "registry/check.h"

enum { NAME_MAX_BYTES = 1024, DAY_S = 24 * 3600 };

struct chain {
    X509 *certs[REGISTRY_CERTIFICATES_MAX];
    size_t n;
};

static void chain_deinit(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++) {
        X509_free(c->certs[i]);
    }
}

static struct err *refuse(enum err_code code, const char *fmt, ...) PRINTF_LIKE(2, 3);

static struct err *refuse(enum err_code code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ERR_clear_error();
    return err_new(code, "Invalid request: Certificate is not a valid X509 Certificate: %s", text);
}

static struct err *add(struct chain *c, struct view der, size_t line)
{
    const unsigned char *p = der.p;

    if (c->n == REGISTRY_CERTIFICATES_MAX) {
        return refuse(ERR_LIMIT, "more than %d certificates (line %zu)", REGISTRY_CERTIFICATES_MAX,
                      line);
    }
    X509 *x = d2i_X509(NULL, &p, (long)der.len);

    if (x == NULL) {
        const char *why = ERR_reason_error_string(ERR_peek_last_error());

        return refuse(ERR_INPUT, "certificate %zu (line %zu) cannot be parsed: %s", c->n + 1, line,
                      why != NULL ? why : "not X.509");
    }
    c->certs[c->n++] = x;
    if (p != der.p + der.len) {
        return refuse(ERR_INPUT, "certificate %zu (line %zu) has bytes after its end", c->n, line);
    }
    return NULL;
}

struct reader {
    struct chain *chain;
    size_t line, begun; /* begun: line of the BEGIN; 0: between certificates */
    struct buf base64;
};

static struct err *on_begin(struct reader *r, struct view line)
{
    if (memmem(line.p, line.len, "PRIVATE KEY", 11) != NULL) {
        return refuse(ERR_INPUT,
                      "line %zu begins a private key, which belongs on a token and nowhere "
                      "else: take it out, and treat it as seen by others",
                      r->line);
    }
    if (!view_is(line, "-----BEGIN CERTIFICATE-----")) {
        return refuse(ERR_INPUT, "line %zu begins something that is no certificate", r->line);
    }
    r->begun = r->line;
    buf_clear(&r->base64);
    return NULL;
}

static struct err *on_end(struct reader *r, struct view line)
{
    AUTO(buf_deinit) struct buf der = {0};

    if (!view_is(line, "-----END CERTIFICATE-----")) {
        return refuse(ERR_INPUT, "line %zu does not end certificate %zu, which begins on line %zu",
                      r->line, r->chain->n + 1, r->begun);
    }
    buf_init(&der, REGISTRY_PEM_MAX_BYTES);
    struct err *e = text_unbase64(buf_view(&r->base64), &der);

    if (e != NULL || der.len == 0) {
        err_free(&e);
        return refuse(ERR_INPUT, "certificate %zu (line %zu) is not base64", r->chain->n + 1,
                      r->begun);
    }
    e = add(r->chain, buf_view(&der), r->begun);
    r->begun = 0;
    return e;
}

static bool is_marker(struct view line, const char *word)
{
    return line.len >= strlen(word) && memcmp(line.p, word, strlen(word)) == 0;
}

static struct view trim(struct view v)
{
    while (v.len > 0 && strchr(" \t\r\f\v", v.p[v.len - 1]) != NULL && v.p[v.len - 1] != '\0') {
        v.len--;
    }
    while (v.len > 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
        v = view_of(v.p + 1, v.len - 1);
    }
    return v;
}

static struct err *on_line(struct reader *r, struct view line)
{
    line = trim(line);
    if (line.len == 0) {
        return NULL;
    }
    if (r->begun != 0) {
        if (is_marker(line, "-----")) {
            return on_end(r, line);
        }
        buf_put(&r->base64, line.p, line.len);
        return NULL;
    }
    if (is_marker(line, "-----BEGIN ")) {
        return on_begin(r, line);
    }
    return refuse(ERR_INPUT,
                  "line %zu is neither white space nor a certificate (those begin with "
                  "-----BEGIN CERTIFICATE-----)",
                  r->line);
}

static struct err *check_form(struct view pem)
{
    if (pem.len > REGISTRY_PEM_MAX_BYTES) {
        return refuse(ERR_LIMIT, "%zu bytes, at most %d are allowed", pem.len,
                      REGISTRY_PEM_MAX_BYTES);
    }
    if (pem.len >= 3 && memcmp(pem.p, "\xef\xbb\xbf", 3) == 0) {
        return refuse(ERR_INPUT, "line 1 begins with a byte order mark: save it as UTF-8 without");
    }
    if (pem.len >= 2 && pem.p[0] == 0x30 && (pem.p[1] & 0x80) != 0) {
        return refuse(ERR_INPUT, "it is DER, not PEM: openssl x509 -inform der -in FILE makes PEM");
    }
    if (view_has_nul(pem)) {
        return refuse(ERR_INPUT, "it is binary, not PEM");
    }
    return NULL;
}

static struct err *read_lines(struct view pem, struct chain *c)
{
    struct reader r = {.chain = c};
    struct err *e = check_form(pem);

    buf_init(&r.base64, REGISTRY_PEM_MAX_BYTES);
    for (size_t i = 0; i < pem.len && e == NULL;) {
        const uint8_t *end = memchr(pem.p + i, '\n', pem.len - i);
        size_t len = end != NULL ? (size_t)(end - (pem.p + i)) : pem.len - i;

        r.line++;
        e = on_line(&r, view_of(pem.p + i, len));
        i += len + 1;
    }
    if (e == NULL && r.begun != 0) {
        e = refuse(ERR_INPUT, "certificate %zu, which begins on line %zu, has no end", c->n + 1,
                   r.begun);
    }
    if (e == NULL && c->n == 0) {
        e = refuse(ERR_INPUT, "there is no certificate in it");
    }
    buf_deinit(&r.base64);
    return e;
}

/* As UTF-8 where a reader can see all of it, else escaped. */
static json_t *name_text(X509_NAME *name, unsigned long flags)
{
    char *data = NULL;
    json_t *made = NULL;
    BIO *out = BIO_new(BIO_s_mem());

    if (out == NULL || X509_NAME_print_ex(out, name, 0, flags) < 0) {
        BIO_free(out);
        return NULL;
    }
    long len = BIO_get_mem_data(out, &data);
    AUTO(auto_free) char *text = view_dup(view_of(data, (size_t)(len < 0 ? 0 : len)));

    BIO_free(out);
    struct err *e = text != NULL ? registry_check_utf8(text) : NULL;

    if (text != NULL && (flags & ASN1_STRFLGS_ESC_MSB) != 0 && strlen(text) > NAME_MAX_BYTES) {
        text[NAME_MAX_BYTES] = '\0';
    }
    if (text != NULL && e == NULL && strlen(text) <= NAME_MAX_BYTES) {
        made = json_string(text);
    }
    err_free(&e);
    return made;
}

static json_t *name_of(X509_NAME *name)
{
    json_t *readable = name_text(name, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);

    return readable != NULL ? readable : name_text(name, XN_FLAG_RFC2253);
}

static json_t *time_of(const ASN1_TIME *t)
{
    char text[WALL_TEXT_BYTES];

    return ASN1_TIME_check(t) == 1 ? json_string(wall_text(wall_of_asn1(t), text)) : NULL;
}

static json_t *hex_of(const void *p, size_t len)
{
    AUTO(auto_free) char *hex = text_hex(view_of(p, len));

    return hex != NULL ? json_string(hex) : NULL;
}

static struct err *describe(X509 *x, size_t number, json_t *list)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);

    if (X509_digest(x, EVP_sha256(), digest, &len) != 1) {
        return err_openssl(ERR_BUG, "fingerprint of certificate %zu", number);
    }
    json_t *made =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "subject", name_of(X509_get_subject_name(x)),
                  "issuer", name_of(X509_get_issuer_name(x)), "serial",
                  hex_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)),
                  "fingerprint_sha256", hex_of(digest, len), "not_before",
                  time_of(X509_get0_notBefore(x)), "not_after", time_of(X509_get0_notAfter(x)));

    if (made == NULL) { /* json_pack() takes what it was given also when it fails */
        return refuse(ERR_INPUT, "certificate %zu has a name or a time that cannot be read",
                      number);
    }
    return json_array_append_new(list, made) == 0 ? NULL : err_nomem();
}

static bool issued(X509 *issuer, X509 *subject)
{
    bool ok = X509_check_issued(issuer, subject) == X509_V_OK &&
              X509_verify(subject, X509_get0_pubkey(issuer)) == 1;

    ERR_clear_error();
    return ok;
}

static char *order_of(const struct chain *c)
{
    size_t down = 0;
    size_t up = 0;
    size_t first = 0; /* that its neighbour did not issue */

    for (size_t i = 0; i + 1 < c->n; i++) {
        bool next_issued = issued(c->certs[i + 1], c->certs[i]);

        down += next_issued;
        up += issued(c->certs[i], c->certs[i + 1]);
        first = !next_issued && first == 0 ? i + 1 : first;
    }
    if (c->n == 1 || down == c->n - 1) {
        return text_copy(c->n == 1 ? "single" : "leaf first");
    }
    if (up == c->n - 1) {
        return text_copy("wrong order: the root comes first; a chain begins with the leaf");
    }
    for (size_t i = 0; i < c->n; i++) {
        if (i != first - 1 && issued(c->certs[i], c->certs[first - 1])) {
            return text_fmt(
                "wrong order: certificate %zu was issued by certificate %zu, which should "
                "follow it",
                first, i + 1);
        }
    }
    return text_fmt("no chain: certificate %zu was not issued by certificate %zu", first,
                    first + 1);
}

struct err *registry_x509_read(struct view pem, json_t **ret)
{
    AUTO(chain_deinit) struct chain c = {.n = 0};
    json_t *list = json_array();
    struct err *e = list != NULL ? read_lines(pem, &c) : err_nomem();

    for (size_t i = 0; i < c.n && e == NULL; i++) {
        e = describe(c.certs[i], i + 1, list);
    }
    AUTO(auto_free) char *order = e == NULL ? order_of(&c) : NULL;

    if (e != NULL) {
        json_decref(list);
        return e;
    }
    json_t *made = json_pack("{s:o, s:s}", "certificates", list, "order", order);

    if (made == NULL) {
        return err_nomem();
    }
    *ret = made;
    return NULL;
}

static int64_t seconds_of(const json_t *cert, const char *name)
{
    return wall_of_text(json_string_value(json_object_get(cert, name))).s;
}

static char *warning(const json_t *cert, size_t i, struct wall now)
{
    const char *from = json_string_value(json_object_get(cert, "not_before"));
    const char *to = json_string_value(json_object_get(cert, "not_after"));
    int64_t left_s = seconds_of(cert, "not_after") - now.s;

    if (left_s < 0) {
        return text_fmt("certificate %zu expired at %s", i + 1, to);
    }
    if (seconds_of(cert, "not_before") > now.s) {
        return text_fmt("certificate %zu is not valid before %s", i + 1, from);
    }
    if (left_s <= (int64_t)REGISTRY_EXPIRY_WARNING_DAYS * DAY_S) {
        long long days = (long long)(left_s / DAY_S);

        return text_fmt("certificate %zu expires in %lld day%s, at %s", i + 1, days,
                        days == 1 ? "" : "s", to);
    }
    return NULL;
}

struct err *registry_x509_warn(const json_t *facts, struct wall now, json_t *list)
{
    const char *order = json_string_value(json_object_get(facts, "order"));
    size_t i;
    json_t *cert;

    json_array_foreach(json_object_get(facts, "certificates"), i, cert)
    {
        AUTO(auto_free) char *text = warning(cert, i, now);

        if (text != NULL && json_array_append_new(list, json_string(text)) != 0) {
            return err_nomem();
        }
    }
    if (order != NULL && strncmp(order, "wrong order", 11) == 0 &&
        json_array_append_new(list, json_string(order)) != 0) {
        return err_nomem();
    }
    return NULL;
}
