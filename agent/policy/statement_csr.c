/*
 * The body of a PKCS#10 request: SEQUENCE { INTEGER 0, subject, SubjectPublicKeyInfo, [0] attributes },
 * in DER. Who asks for a certificate proves that the key is its own, so the request must be for the very
 * key that signs it, byte for byte. OpenSSL reads the whole; where the parts are is looked up here, as
 * it shows the parts of a whole request only.
 *
 * Spec: RFC 2986, 4.1; X.690, 10.1 (lengths)
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "policy/statement_impl.h"

enum { TAG_INTEGER = 0x02, TAG_SEQUENCE = 0x30, TAG_ATTRIBUTES = 0xa0 };

/* One element with this tag; @ret_whole has its head too. */
static struct rd read_element(struct rd *r, uint8_t tag, struct view *ret_whole)
{
    const uint8_t *start = r->p;
    bool good = rd_u8(r) == tag;
    size_t len = rd_u8(r);
    size_t n = len >= 0x80 ? len - 0x80 : 0; /* bytes of a long length */

    if (len >= 0x80) {
        good = good && n >= 1 && n <= 3;
        len = 0;
    }
    for (size_t i = 0; good && i < n; i++) {
        len = len << 8 | rd_u8(r);
    }
    if (good && n > 0) { /* DER has the shortest form only */
        good = len >= (n == 1 ? 0x80U : 1U << 8 * (n - 1));
    }
    struct view content = rd_bytes(r, good ? len : 0);

    if (!good) {
        rd_fail(r);
    }
    *ret_whole = view_of(start, (size_t)(r->p - start));
    return rd_of(content);
}

static bool openssl_reads(struct view message)
{
    const unsigned char *p = message.p;
    X509_REQ_INFO *info = d2i_X509_REQ_INFO(NULL, &p, (long)message.len);
    bool good = info != NULL && p == message.p + message.len;

    X509_REQ_INFO_free(info);
    ERR_clear_error();
    return good;
}

const char *policy_csr_why_not(struct view message, struct view spki)
{
    struct rd r = rd_of(message);
    struct view whole, key = {0};
    struct rd info = read_element(&r, TAG_SEQUENCE, &whole);
    struct rd version = read_element(&info, TAG_INTEGER, &whole);
    bool is_v1 = view_eq(rd_rest(&version), view_of("", 1));

    read_element(&info, TAG_SEQUENCE, &whole);
    read_element(&info, TAG_SEQUENCE, &key);
    read_element(&info, TAG_ATTRIBUTES, &whole); /* may be empty, not absent */
    if (rd_failed(&r) || rd_failed(&info) || !rd_at_end(&r) || !rd_at_end(&info) || !is_v1 ||
        !openssl_reads(message)) {
        return "it is not the body of a certificate request";
    }
    return view_eq(key, spki) ? NULL : "the certificate request is for another key";
}
