/* Certificates: what is accepted can be asked, verified, proven and written as a line; and what our
 * writer makes of its fields is accepted again. */
#include <stdlib.h>

#include "ssh/ssh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_again(const struct ssh_cert *c)
{
    AUTO(buf_deinit) struct buf blob;
    AUTO(ssh_cert_free) struct ssh_cert *again = NULL;

    buf_init(&blob, 0);
    AUTO(err_free) struct err *e = ssh_cert_put_tbs(&blob, ssh_cert_key(c), ssh_cert_fields(c),
                                                    ssh_cert_ca(c), view_cstr("0123456789abcdef"));

    if (e != NULL) { /* no principals, or an empty window */
        return;
    }
    e = ssh_cert_finish(&blob, view_cstr(""));
    if (e == NULL) {
        e = ssh_cert_from_blob(buf_view(&blob), &again);
    }
    if (e != NULL && !err_is(e, ERR_LIMIT)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
    AUTO(ssh_cert_free) struct ssh_cert *again = NULL;
    AUTO(err_free) struct err *e = ssh_cert_from_blob(view_of(data, len), &c);

    if (e != NULL) {
        return 0;
    }
    const struct ssh_cert_fields *f = ssh_cert_fields(c);
    struct ssh_cert_wanted wanted = {.key = ssh_cert_key(c),
                                     .kind = f->kind,
                                     .principals = f->principals,
                                     .ca = ssh_cert_ca(c),
                                     .critical = f->critical,
                                     .extensions = f->extensions,
                                     .max_future_s = INT64_MAX,
                                     .min_left_s = INT64_MIN};
    e = ssh_cert_prove(c, &wanted, (struct wall){1700000000});
    if (e != NULL && !err_is(e, ERR_CERT) && !err_is(e, ERR_UNSUPPORTED)) {
        abort();
    }
    err_free(&e);
    AUTO(auto_free) char *line = ssh_cert_line(c, NULL);

    e = ssh_cert_from_line(line, &again);
    if (e != NULL || !view_eq(ssh_cert_blob(c), ssh_cert_blob(again))) {
        abort();
    }
    write_again(c);
    return 0;
}
