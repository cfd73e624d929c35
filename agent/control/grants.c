/*
 * Who may do what. The kernel says who is at the other end of a connection; holdfast.yaml says what
 * that uid, or one of its groups, may do at a scope. Our own user and root may do everything: they
 * could take the agent's memory anyway.
 *
 * Nothing that a client says of itself counts here, and no answer outlives the request: a grant is
 * looked up each time.
 */
#include "control/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A kernel that cannot tell the groups leaves only the primary one. */
static struct err *read_groups(int fd, struct control_peer *p)
{
    socklen_t len = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE) {
        return NULL;
    }
    p->groups = calloc(1, len);
    if (p->groups == NULL) {
        return err_nomem();
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, p->groups, &len) == 0) {
        p->groups_n = len / sizeof *p->groups;
    }
    return NULL;
}

struct err *control_peer_of(int fd, struct control_peer *ret)
{
    struct control_peer p = {0};
    struct err *e = peer_of(fd, &p.peer);

    if (e == NULL) {
        e = read_groups(fd, &p);
    }
    if (e == NULL) {
        *ret = p;
    }
    return e;
}

void control_peer_deinit(struct control_peer *p)
{
    free(p->groups);
    *p = (struct control_peer){0};
}

static bool has_group(const struct control_peer *p, gid_t gid)
{
    bool has = p->peer.gid == gid;

    for (size_t i = 0; i < p->groups_n; i++) {
        has = has || p->groups[i] == gid;
    }
    return has;
}

static bool covers(const char *granted, const char *scope)
{
    size_t n = strlen(granted);

    return scope == NULL || text_eq(granted, "account") ||
           (strncmp(granted, scope, n) == 0 && (scope[n] == '\0' || scope[n] == '/'));
}

/* Where a grant names both, both have to fit. */
static bool is_for(const struct control_grant *g, const struct control_peer *p)
{
    return (g->has_uid || g->has_gid) && (!g->has_uid || g->uid == p->peer.uid) &&
           (!g->has_gid || has_group(p, g->gid));
}

/* They could take the agent's memory anyway. */
static bool is_ours(const struct control_peer *p)
{
    return p->peer.uid == 0 || p->peer.uid == geteuid();
}

enum control_right control_right_of(const struct control_deps *d, const struct control_peer *p,
                                    const char *scope)
{
    enum control_right right = CONTROL_NOTHING;

    if (is_ours(p)) {
        return CONTROL_ADMINISTRATOR;
    }
    for (size_t i = 0; i < d->grants_n; i++) {
        const struct control_grant *g = &d->grants[i];

        if (g->right > right && is_for(g, p) && covers(g->scope, scope)) {
            right = g->right;
        }
    }
    return right;
}

char **control_scopes_of(const struct control_deps *d, const struct control_peer *p)
{
    AUTO(text_list_free) char **scopes = NULL;
    bool ok = !is_ours(p) || text_list_add(&scopes, "account");

    for (size_t i = 0; ok && i < d->grants_n; i++) {
        const struct control_grant *g = &d->grants[i];

        if (g->right >= CONTROL_VIEWER && is_for(g, p) && !is_ours(p)) {
            ok = text_list_add(&scopes, g->scope);
        }
    }
    return ok ? take(&scopes) : NULL;
}

const char *control_right_name(enum control_right right)
{
    static const char *const names[] = {
        [CONTROL_NOTHING] = "nothing",
        [CONTROL_VIEWER] = "viewer",
        [CONTROL_OPERATOR] = "operator",
        [CONTROL_ADMINISTRATOR] = "administrator",
    };

    return names[right];
}
