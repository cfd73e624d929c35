/*
 * Certificates for programs that read files: sshd takes its HostCertificate from one and has the agent
 * sign (HostKeyAgent). The file holds the line of the current certificate, replaced whole, and is
 * readable by all: there is no secret in it. It is written when a certificate has been proven, and never
 * taken away: an old one says more to whoever looks than none.
 */
#include <stdlib.h>

#include "identity/priv.h"

enum { FILE_MODE = 0644 };

static void on_written(void *arg, const struct err *e)
{
    identity_warn(arg, IDENTITY_WARN_FILE, err_copy(e));
}

void identity_file_save(struct identity_cert *c)
{
    const char *path = c->want.file;
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, 0);
    if (path == NULL || c->current == NULL) {
        return;
    }
    AUTO(auto_free) char *line = ssh_cert_line(c->current, c->owner->name);

    if (line != NULL) {
        buf_put(&text, line, strlen(line));
        buf_put_u8(&text, '\n');
    }
    struct err *e = line != NULL ? buf_check(&text, "a certificate's file") : err_nomem();

    if (e == NULL) {
        e = io_writer_put(c->owner->set->writer, path, &text, FILE_MODE, on_written, c->owner);
    }
    if (e != NULL) {
        identity_warn(c->owner, IDENTITY_WARN_FILE, e);
    }
}
