/*
 * Who a certificate is for: a common name, and alternative names of four kinds, as people type them and
 * as X.509 has them. What is read here goes into a request, and what came back is compared in the same
 * form, so a name that we cannot write we do not accept either.
 */
#include "enroll/names.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *prefix;
    int type;
} kinds[] = {
    {"DNS:", GEN_DNS},
    {"IP:", GEN_IPADD},
    {"email:", GEN_EMAIL},
    {"URI:", GEN_URI},
};

static void general_free(GENERAL_NAME **name)
{
    GENERAL_NAME_free(take(name));
}

static void octets_free(ASN1_OCTET_STRING **s)
{
    ASN1_OCTET_STRING_free(take(s));
}

void enroll_names_free(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(take(names));
}

/* Printable ASCII without spaces: what an IA5String of these kinds may hold, and no separator of ours. */
static bool is_plain(const char *s)
{
    for (size_t i = 0; s[i] != '\0'; i++) {
        if (s[i] <= ' ' || s[i] > '~' || s[i] == ',') {
            return false;
        }
    }
    return s[0] != '\0' && strlen(s) <= ENROLL_NAME_MAX_BYTES;
}

/* "DNS:web" and "web": the kind, and what is behind it */
static int kind_of(const char *text, const char **ret_value)
{
    AUTO(octets_free) ASN1_OCTET_STRING *ip = NULL;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strncasecmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            *ret_value = text + strlen(kinds[i].prefix);
            return kinds[i].type;
        }
    }
    *ret_value = text;
    ip = a2i_IPADDRESS(text);
    ERR_clear_error();
    return ip != NULL                    ? GEN_IPADD
           : strstr(text, "://") != NULL ? GEN_URI
           : strchr(text, '@') != NULL   ? GEN_EMAIL
                                         : GEN_DNS;
}

static struct err *make_name(const char *text, GENERAL_NAME **ret)
{
    const char *value = NULL;
    int type = is_plain(text) ? kind_of(text, &value) : 0;
    AUTO(general_free) GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *content =
        type == GEN_IPADD ? a2i_IPADDRESS(value) : ASN1_STRING_type_new(V_ASN1_IA5STRING);

    ERR_clear_error();
    if (value == NULL || *value == '\0' || (type == GEN_IPADD && content == NULL)) {
        AUTO(auto_free) char *safe = text_safe(view_cstr(text));

        ASN1_STRING_free(content);
        return err_new(ERR_INPUT,
                       "\"%s\" cannot be an alternative name: DNS:, IP:, email: or URI: "
                       "and what belongs to it, without spaces",
                       safe != NULL ? safe : "");
    }
    if (name == NULL || content == NULL ||
        (type != GEN_IPADD && ASN1_STRING_set(content, value, -1) != 1)) {
        ASN1_STRING_free(content);
        return err_nomem();
    }
    GENERAL_NAME_set0_value(name, type, content);
    *ret = take(&name);
    return NULL;
}

struct err *enroll_names_general(const struct enroll_subject *s, GENERAL_NAMES **ret)
{
    AUTO(enroll_names_free) GENERAL_NAMES *names = NULL;
    size_t n = text_list_len(s->alt_names);

    if (n > ENROLL_NAMES_MAX) {
        return err_new(ERR_INPUT, "more than %d alternative names", ENROLL_NAMES_MAX);
    }
    if (n > 0 && (names = sk_GENERAL_NAME_new_null()) == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; i < n; i++) {
        AUTO(general_free) GENERAL_NAME *name = NULL;
        struct err *e = make_name(s->alt_names[i], &name);

        if (e == NULL && sk_GENERAL_NAME_push(names, name) <= 0) {
            e = err_nomem();
        }
        if (e != NULL) {
            return e;
        }
        take(&name);
    }
    *ret = take(&names);
    return NULL;
}

struct err *enroll_names_check(const struct enroll_subject *s)
{
    AUTO(enroll_names_free) GENERAL_NAMES *names = NULL;

    if (s->common_name == NULL || s->common_name[0] == '\0' ||
        strlen(s->common_name) > ENROLL_COMMON_NAME_MAX_BYTES) {
        return err_new(ERR_INPUT, "a common name of 1 to %d bytes is needed",
                       ENROLL_COMMON_NAME_MAX_BYTES);
    }
    for (const char *p = s->common_name; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return err_new(ERR_INPUT, "the common name holds a control character");
        }
    }
    return enroll_names_general(s, &names);
}

static char *ip_text(const ASN1_OCTET_STRING *ip)
{
    const uint8_t *p = ASN1_STRING_get0_data(ip);
    char text[64] = "IP:";

    if (ASN1_STRING_length(ip) == 4) {
        return text_fmt("IP:%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    }
    for (size_t i = 0, at = 3; ASN1_STRING_length(ip) == 16 && i < 8; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%x", i > 0 ? ":" : "",
                               (unsigned)(p[2 * i] << 8 | p[2 * i + 1]));
    }
    return ASN1_STRING_length(ip) == 16 ? text_copy(text) : NULL;
}

char *enroll_names_text(const GENERAL_NAME *name)
{
    int type = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

    if (type == GEN_IPADD) {
        return ip_text(value);
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].type == type) {
            AUTO(auto_free) char *safe =
                text_safe(view_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)));

            return safe != NULL ? text_fmt("%s%s", kinds[i].prefix, safe) : NULL;
        }
    }
    return NULL;
}

struct err *enroll_names_common(const X509_NAME *name, char **ret)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *utf8 = NULL;

    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) {
        return err_new(ERR_CERT, "it has %s common name%s", at < 0 ? "no" : "more than one",
                       at < 0 ? "" : "s");
    }
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));

    if (len < 0) {
        return err_openssl(ERR_CERT, "its common name is no text");
    }
    *ret = text_safe(view_of(utf8, (size_t)len));
    OPENSSL_free(utf8);
    return *ret != NULL ? NULL : err_nomem();
}

struct err *enroll_names_full(char *const *alt_names, char ***ret)
{
    const struct enroll_subject subject = {NULL, alt_names};
    AUTO(enroll_names_free) GENERAL_NAMES *names = NULL;
    AUTO(text_list_free) char **list = NULL;
    struct err *e = enroll_names_general(&subject, &names);

    for (int i = 0; e == NULL && i < sk_GENERAL_NAME_num(names); i++) {
        AUTO(auto_free) char *text = enroll_names_text(sk_GENERAL_NAME_value(names, i));

        e = text != NULL && text_list_add(&list, text) ? NULL : err_nomem();
    }
    if (e == NULL) {
        *ret = take(&list);
    }
    return e;
}
