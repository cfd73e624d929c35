/*
 * The built-in signer, as far as a person deals with it: its public key, what it has revoked, and
 * revoking. A certificate may be named by its serial number, by its key id, or by itself; in the last
 * case it must be one of this CA's, and its end is known.
 */
#include <errno.h>
#include <stdlib.h>

#include "ca/ca.h"
#include "control/resources.h"

enum { REVOKE_MS = 20 * 1000, SERIAL_MAX_BYTES = 20, REASON_MAX_BYTES = 256 };

const struct control_member control_ca_revoke_body[] = {
    {.name = "serial", .type = CONTROL_TEXT, .min = 1, .max = SERIAL_MAX_BYTES},
    {.name = "key_id", .type = CONTROL_TEXT, .min = 1, .max = 1024},
    {.name = "certificate", .type = CONTROL_TEXT, .min = 1, .max = 64 * 1024},
    {.name = "reason", .type = CONTROL_TEXT, .min = 1, .max = REASON_MAX_BYTES},
    {.name = NULL},
};

static struct err *find(const struct control_request *r, struct ca **ret)
{
    const struct control_deps *d = control_deps_of(r);
    const char *name = control_param(r, "signer");

    for (size_t i = 0; i < d->signers_n; i++) {
        if (text_eq(d->signers[i]->name, name)) {
            *ret = ca_of(d->signers[i]);
            return *ret != NULL
                       ? NULL
                       : err_new(ERR_UNSUPPORTED,
                                 "signer %s is no built-in one: Vault keeps no list of revoked SSH "
                                 "certificates, so give its roles a short ttl",
                                 name);
        }
    }
    return err_new(ERR_NOT_FOUND, "no signer %s is configured", name);
}

static json_t *revocation_json(const struct ca_revocation *r)
{
    AUTO(auto_free) char *serial =
        r->serial != 0 ? text_fmt("%llu", (unsigned long long)r->serial) : NULL;

    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "serial", control_json_text(serial), "key_id",
                     control_json_text(r->key_id), "reason", control_json_text(r->reason), "at",
                     control_json_time(r->at), "until", control_json_time(r->until));
}

static json_t *ca_json(const char *name, const struct ca *ca)
{
    AUTO(auto_free) char *key = ca_key_line(ca);
    json_t *list = json_array();

    for (size_t i = 0; i < ca_revocations(ca); i++) {
        control_json_add(list, revocation_json(ca_revocation_at(ca, i)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", control_json_text(name), "public_key",
                     control_json_text(key), "krl", control_json_text(ca_krl_path(ca)), "problem",
                     control_fault(ca_problem(ca)), "revoked", list);
}

struct err *control_ca_get(struct control_request *r)
{
    struct ca *ca;
    struct err *e = find(r, &ca);

    if (e == NULL) {
        control_answer(r, 200, ca_json(control_param(r, "signer"), ca));
    }
    return e;
}

/* --- revoking ----------------------------------------------------------------------------------- */

static struct err *read_serial(const char *text, uint64_t *ret)
{
    char *end = NULL;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *ret > 0
               ? NULL
               : err_new(ERR_INPUT, "serial: %s is no serial number", text);
}

static struct err *read_certificate(const struct ca *ca, const char *line,
                                    struct ca_revocation *ret)
{
    AUTO(auto_free) char *key = ca_key_line(ca);
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    struct err *e = err_add(ssh_cert_from_line(line, &cert), "certificate");

    if (e != NULL) {
        return e;
    }
    AUTO(auto_free) char *signed_by = ssh_key_line(ssh_cert_ca(cert), NULL);

    if (key != NULL && !text_eq(key, signed_by)) {
        return err_new(ERR_INPUT, "certificate: it was signed by another CA");
    }
    uint64_t until = ssh_cert_fields(cert)->valid_before;

    ret->serial = ssh_cert_fields(cert)->serial;
    ret->until.s = until < INT64_MAX ? (int64_t)until : 0;
    return NULL;
}

static struct err *read_body(const struct control_request *r, const struct ca *ca,
                             struct ca_revocation *ret)
{
    const char *serial = control_text(r, "serial"), *line = control_text(r, "certificate");

    *ret = (struct ca_revocation){.key_id = control_text(r, "key_id"),
                                  .reason = control_text(r, "reason")};
    if ((serial != NULL) + (line != NULL) + (ret->key_id != NULL) != 1) {
        return err_new(ERR_INPUT, "one of serial, key_id and certificate says what to revoke");
    }
    if (serial != NULL) {
        return read_serial(serial, &ret->serial);
    }
    return line != NULL ? read_certificate(ca, line, ret) : NULL;
}

static void on_revoked(void *arg, struct err *e)
{
    struct control_request *r = arg;
    struct ca *ca = NULL;

    if (!control_came(r, e)) {
        return;
    }
    struct err *gone = find(r, &ca);

    if (gone != NULL) {
        control_fail(r, gone);
    } else {
        control_answer(r, 200, ca_json(control_param(r, "signer"), ca));
    }
}

struct err *control_ca_revoke(struct control_request *r)
{
    struct ca_revocation what;
    struct ca *ca = NULL;
    struct err *e = find(r, &ca);

    if (e == NULL) {
        e = read_body(r, ca, &what);
    }
    if (e == NULL) {
        e = control_wait(r, REVOKE_MS, "revoke a certificate", NULL, NULL);
    }
    if (e == NULL) {
        ca_revoke(ca, &what, on_revoked, r);
    }
    return e;
}
