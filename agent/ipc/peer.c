/*
 * Who connected: the kernel's word (SO_PEERCRED), taken when the peer called connect(). The uid is
 * fit for decisions. The pid may have ended since, and the name in /proc is the process's own
 * choice: both are for logs only.
 */
#include "ipc/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct err *peer_of(int fd, struct peer *ret)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return err_native(ERR_DENIED, ERR_DOMAIN_ERRNO, (unsigned long)errno, strerror(errno),
                          "ask who the peer is");
    }
    if (len != sizeof cred || cred.uid == (uid_t)-1) {
        return err_new(ERR_DENIED, "the kernel does not say who the peer is");
    }
    *ret = (struct peer){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
    return NULL;
}

static char *name_of(pid_t pid)
{
    AUTO(auto_free) char *path = text_fmt("/proc/%d/comm", (int)pid);
    AUTO(buf_deinit) struct buf name;

    buf_init(&name, 0);
    AUTO(err_free) struct err *e = path != NULL ? file_read(path, 64, &name) : err_nomem();

    if (e != NULL || name.len == 0) {
        return NULL;
    }
    return text_safe(view_of(name.data, name.len - 1)); /* it ends in a newline */
}

char *peer_text(const struct peer *p)
{
    AUTO(auto_free) char *name = p->pid > 0 ? name_of(p->pid) : NULL;

    if (p->pid <= 0) {
        return text_fmt("pid unknown, uid %u", p->uid);
    }
    return text_fmt("pid %d (%s) uid %u", (int)p->pid, name != NULL ? name : "?", p->uid);
}
