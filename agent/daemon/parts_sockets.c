/*
 * The SSH agent's sockets. Where one of them has a scope of its own, people are meant to be kept apart:
 * then agent.socket shows what belongs to the machine and to the account, and no longer everything.
 */
#include <stdlib.h>

#include "daemon/parts.h"

static const char *scope_of_main(const struct config *c)
{
    for (unsigned i = 0; i < c->sockets_count; i++) {
        if (c->sockets[i].scope != NULL) {
            return "";
        }
    }
    return NULL;
}

static struct err *listen_at(const char *path, const struct policy_view *view, struct io_loop *l,
                             struct identity_set *identities, struct remote *remote,
                             struct parts_sockets *s)
{
    int fd = -1;
    struct err *e = io_listen_bind(path, &fd);

    if (e == NULL) {
        e = protocol_listen(l, fd, path, view, identities, remote, &s->all[s->n]);
    }
    s->n += e == NULL;
    return err_add(e, "agent socket %s", path);
}

static struct err *allow_users(const struct config_socket *from, struct protocol_socket *s)
{
    uid_t uids[CONFIG_SOCKET_USERS_MAX];
    gid_t gids[CONFIG_SOCKET_USERS_MAX];
    unsigned n = from->users_count + from->groups_count;

    for (unsigned i = 0; i < from->users_count; i++) {
        if (!config_user_find(from->users[i], &uids[i])) {
            return err_new(ERR_NOT_FOUND, "no user '%s' on this machine", from->users[i]);
        }
    }
    for (unsigned i = 0; i < from->groups_count; i++) {
        if (!config_group_find(from->groups[i], &gids[i])) {
            return err_new(ERR_NOT_FOUND, "no group '%s' on this machine", from->groups[i]);
        }
    }
    struct err *e =
        n > 0 ? protocol_allow(s, uids, from->users_count, gids, from->groups_count) : NULL;

    return err_add(e, "agent socket %s", from->path);
}

struct err *parts_sockets_new(const struct config *c, const char *path, bool only_main,
                              struct io_loop *l, struct identity_set *identities,
                              struct remote *remote, struct parts_sockets *ret)
{
    const char *scope = scope_of_main(c);
    struct policy_view view = {.scope = scope};

    *ret = (struct parts_sockets){.all = calloc(c->sockets_count + 1, sizeof *ret->all)};
    if (ret->all == NULL) {
        return err_nomem();
    }
    struct err *e = listen_at(path, &view, l, identities, remote, ret);

    for (unsigned i = 0; e == NULL && !only_main && i < c->sockets_count; i++) {
        const struct config_socket *from = &c->sockets[i];
        AUTO(text_list_free) char **tags = NULL;
        bool ok = true;

        for (unsigned k = 0; ok && k < from->tags_count; k++) {
            ok = text_list_add(&tags, from->tags[k]);
        }
        view = (struct policy_view){from->scope != NULL ? from->scope : scope, tags};
        e = ok ? listen_at(from->path, &view, l, identities, remote, ret) : err_nomem();
        if (e == NULL) {
            e = allow_users(from, ret->all[ret->n - 1]);
        }
    }
    return e;
}

void parts_sockets_deinit(struct parts_sockets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        protocol_free(&s->all[i]);
    }
    auto_free(&s->all);
    s->n = 0;
}

void parts_sockets_count(const struct parts_sockets *s, struct protocol_stats *ret)
{
    *ret = (struct protocol_stats){0};
    for (size_t i = 0; i < s->n; i++) {
        struct protocol_stats one;

        protocol_stats(s->all[i], &one);
        ret->connections += one.connections;
        ret->lists += one.lists;
        ret->signs += one.signs;
        ret->refused += one.refused;
        ret->failed += one.failed;
        ret->open += one.open;
    }
}
