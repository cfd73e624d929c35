/*
 * A TLS 1.2 client signs all handshake messages of the connection so far, one after the other, without
 * record headers. They come in one order, and each is read here to its last byte: what is left over
 * anywhere, or is missing, is no transcript. The certificate that the client sent must be for the key
 * that is to sign, so that a transcript of somebody else's login is not signed either.
 *
 * Spec: RFC 5246, 7.4; RFC 8422, 5.4-5.8 for elliptic curves; RFC 6066, 8 for a stapled OCSP answer
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "policy/statement_impl.h"

enum {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    CERTIFICATE = 11,
    SERVER_KEY_EXCHANGE = 12,
    CERTIFICATE_REQUEST = 13,
    SERVER_HELLO_DONE = 14,
    CLIENT_KEY_EXCHANGE = 16,
    CERTIFICATE_STATUS = 22,
    STATUS_OCSP = 1,
    VERSION_12 = 0x0303,
    RANDOM_BYTES = 32,
    SESSION_ID_MAX_BYTES = 32,
};

static uint32_t rd_u16(struct rd *r)
{
    uint32_t high = rd_u8(r);

    return high << 8 | rd_u8(r);
}

static uint32_t rd_u24(struct rd *r)
{
    uint32_t high = rd_u16(r);

    return high << 8 | rd_u8(r);
}

static void demand(struct rd *r, bool good)
{
    if (!good) {
        rd_fail(r);
    }
}

/* What both hellos begin with. */
static void read_hello(struct rd *r)
{
    demand(r, rd_u16(r) == VERSION_12);
    rd_bytes(r, RANDOM_BYTES);
    size_t id = rd_u8(r);

    demand(r, id <= SESSION_ID_MAX_BYTES);
    rd_bytes(r, id);
}

static void read_extensions(struct rd *r)
{
    if (r->left == 0) {
        return; /* a hello without any ends here */
    }
    struct rd all = rd_of(rd_bytes(r, rd_u16(r)));

    while (!rd_at_end(&all)) {
        rd_u16(&all);
        rd_bytes(&all, rd_u16(&all));
    }
    demand(r, !rd_failed(&all));
}

static void read_client_hello(struct rd *r)
{
    read_hello(r);
    size_t suites = rd_u16(r);

    demand(r, suites >= 2 && suites % 2 == 0);
    rd_bytes(r, suites);
    size_t compressions = rd_u8(r);

    demand(r, compressions >= 1);
    rd_bytes(r, compressions);
    read_extensions(r);
}

static void read_server_hello(struct rd *r)
{
    read_hello(r);
    rd_u16(r); /* cipher suite */
    rd_u8(r);  /* compression */
    read_extensions(r);
}

/* The first of the list, which must not be empty. */
static struct view read_certificates(struct rd *r)
{
    struct rd all = rd_of(rd_bytes(r, rd_u24(r)));
    struct view first = rd_bytes(&all, rd_u24(&all));

    while (!rd_at_end(&all)) {
        rd_bytes(&all, rd_u24(&all));
    }
    demand(r, !rd_failed(&all) && first.len > 0);
    return first;
}

static void read_certificate_request(struct rd *r)
{
    size_t types = rd_u8(r);

    demand(r, types >= 1);
    rd_bytes(r, types);
    size_t schemes = rd_u16(r);

    demand(r, schemes >= 2 && schemes % 2 == 0);
    rd_bytes(r, schemes);
    struct rd names = rd_of(rd_bytes(r, rd_u16(r)));

    while (!rd_at_end(&names)) {
        rd_bytes(&names, rd_u16(&names));
    }
    demand(r, !rd_failed(&names));
}

static void read_certificate_status(struct rd *r)
{
    demand(r, rd_u8(r) == STATUS_OCSP);
    demand(r, rd_bytes(r, rd_u24(r)).len > 0);
}

/* One message of this type; of a certificate, the first goes to @ret_first. */
static void read_message(struct rd *r, uint8_t type, struct view *ret_first)
{
    demand(r, rd_u8(r) == type);
    struct rd body = rd_of(rd_bytes(r, rd_u24(r)));

    switch (type) {
    case CLIENT_HELLO:
        read_client_hello(&body);
        break;
    case SERVER_HELLO:
        read_server_hello(&body);
        break;
    case CERTIFICATE:
        *ret_first = read_certificates(&body);
        break;
    case CERTIFICATE_REQUEST:
        read_certificate_request(&body);
        break;
    case CERTIFICATE_STATUS:
        read_certificate_status(&body);
        break;
    case SERVER_HELLO_DONE:
        break;
    default: /* key exchanges are the cipher suite's affair */
        demand(&body, body.left > 0);
        rd_bytes(&body, body.left);
        break;
    }
    demand(r, !rd_failed(&body) && rd_at_end(&body));
}

static bool is_for(struct view cert, struct view spki)
{
    const unsigned char *p = cert.p;
    X509 *x = d2i_X509(NULL, &p, (long)cert.len);
    unsigned char *der = NULL;
    int len =
        x != NULL && p == cert.p + cert.len ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;
    bool same = len > 0 && view_eq(view_of(der, (size_t)len), spki);

    OPENSSL_free(der);
    X509_free(x);
    ERR_clear_error();
    return same;
}

static bool is_next(const struct rd *r, uint8_t type)
{
    return r->left > 0 && r->p[0] == type;
}

const char *policy_tls12_why_not(struct view message, struct view spki)
{
    struct rd r = rd_of(message);
    struct view theirs, ours = {0};

    read_message(&r, CLIENT_HELLO, NULL);
    read_message(&r, SERVER_HELLO, NULL);
    read_message(&r, CERTIFICATE, &theirs);
    if (is_next(&r, CERTIFICATE_STATUS)) {
        read_message(&r, CERTIFICATE_STATUS, NULL);
    }
    if (is_next(&r, SERVER_KEY_EXCHANGE)) {
        read_message(&r, SERVER_KEY_EXCHANGE, NULL);
    }
    read_message(&r, CERTIFICATE_REQUEST, NULL);
    read_message(&r, SERVER_HELLO_DONE, NULL);
    read_message(&r, CERTIFICATE, &ours);
    read_message(&r, CLIENT_KEY_EXCHANGE, NULL);
    if (rd_failed(&r) || !rd_at_end(&r)) {
        return "it is not what a TLS 1.2 client signs";
    }
    return is_for(ours, spki) ? NULL : "the TLS 1.2 handshake is for another key";
}
