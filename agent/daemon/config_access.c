/*
 * The checks of what others may see and do: further sockets, the registry, grants. Users and groups
 * are looked up here, once: a name that this machine does not know is a mistake to be told now, not
 * a right that nobody has.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config_check.h"
#include "policy/policy.h"

static struct err *check_scope(const struct config_place *at, const char *scope)
{
    if (scope != NULL && !policy_scope_ok(scope)) {
        return config_wrong(at, "scope", "'%s' is none of account, org/NAME, org/NAME/project/NAME",
                            scope);
    }
    return NULL;
}

static bool read_id(const char *text, unsigned *ret)
{
    char *end = NULL;

    errno = 0;
    unsigned long id = strtoul(text, &end, 10);

    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || id >= UINT32_MAX) {
        return false;
    }
    *ret = (unsigned)id;
    return true;
}

bool config_user_find(const char *text, uid_t *ret)
{
    const struct passwd *user;

    if (read_id(text, ret)) {
        return true;
    }
    user = getpwnam(text);
    if (user != NULL) {
        *ret = user->pw_uid;
    }
    return user != NULL;
}

bool config_group_find(const char *text, gid_t *ret)
{
    const struct group *group;

    if (read_id(text, ret)) {
        return true;
    }
    group = getgrnam(text);
    if (group != NULL) {
        *ret = group->gr_gid;
    }
    return group != NULL;
}

static struct err *check_users(const struct config_place *at, const struct config_socket *s)
{
    for (unsigned i = 0; i < s->users_count; i++) {
        uid_t uid;

        if (!config_user_find(s->users[i], &uid)) {
            return config_wrong(at, "users", "no user '%s' on this machine", s->users[i]);
        }
    }
    for (unsigned i = 0; i < s->groups_count; i++) {
        gid_t gid;

        if (!config_group_find(s->groups[i], &gid)) {
            return config_wrong(at, "groups", "no group '%s' on this machine", s->groups[i]);
        }
    }
    return NULL;
}

static struct err *check_socket(struct config_place *at, unsigned i)
{
    const struct config *c = at->config;
    const struct config_socket *s = &c->sockets[i];

    if (s->path[0] != '/') {
        return config_wrong(at, "path", "'%s' must be an absolute path", s->path);
    }
    if (text_eq(s->path, c->agent.socket) || text_eq(s->path, c->agent.control)) {
        return config_wrong(at, "path", "'%s' is also a socket of agent", s->path);
    }
    for (unsigned k = 0; k < i; k++) {
        if (text_eq(s->path, c->sockets[k].path)) {
            return config_wrong(at, "path", "'%s' is also sockets[%u]", s->path, k);
        }
    }
    struct err *e = check_scope(at, s->scope);

    return e != NULL ? e : check_users(at, s);
}

struct err *config_check_sockets(struct config_place *at)
{
    struct err *e = NULL;

    for (unsigned i = 0; e == NULL && i < at->config->sockets_count; i++) {
        snprintf(at->path, sizeof at->path, "sockets[%u]", i);
        e = check_socket(at, i);
    }
    return e;
}

static bool has_vault(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->signers_count; i++) {
        if (text_eq(c->signers[i].name, name)) {
            return c->signers[i].vault != NULL;
        }
    }
    return false;
}

/* Who can write to such a folder can have the agent read any file, by a link. */
static struct err *check_folder(const struct config_place *at, const char *path)
{
    struct stat st;

    if (path[0] != '/') {
        return config_wrong(at, "path", "'%s' must be an absolute path", path);
    }
    if (stat(path, &st) == 0 &&
        ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
        return config_wrong(at, "path",
                            "'%s' can be written to by others: only root or the agent's user may "
                            "put secrets there",
                            path);
    }
    return NULL;
}

static struct err *check_allowed(struct config_place *at)
{
    const struct config_registry *r = &at->config->registry;
    struct err *e = NULL;

    for (unsigned i = 0; e == NULL && i < r->secret_folders_count; i++) {
        snprintf(at->path, sizeof at->path, "registry.secret-folders[%u]", i);
        e = check_scope(at, r->secret_folders[i].scope);
        e = e == NULL ? check_folder(at, r->secret_folders[i].path) : e;
    }
    for (unsigned i = 0; e == NULL && i < r->login_keys_count; i++) {
        snprintf(at->path, sizeof at->path, "registry.login-keys[%u]", i);
        e = check_scope(at, r->login_keys[i].scope);
        e = e == NULL ? config_check_uri(at, "key", r->login_keys[i].key) : e;
    }
    return e;
}

struct err *config_check_registry(struct config_place *at)
{
    const struct config_registry *r = &at->config->registry;

    snprintf(at->path, sizeof at->path, "registry");
    if (r->path[0] != '/') {
        return config_wrong(at, "path", "'%s' must be an absolute path", r->path);
    }
    if ((r->store == CONFIG_STORE_VAULT_KV) != (r->kv != NULL)) {
        return config_wrong(at, r->kv != NULL ? "vault-kv" : "store",
                            "'store: vault-kv' and a section vault-kv go together");
    }
    if (r->kv != NULL && !has_vault(at->config, r->kv->signer)) {
        return config_wrong(at, "vault-kv.signer", "no vault '%s' under signers", r->kv->signer);
    }
    return check_allowed(at);
}

static struct err *check_who(const struct config_place *at, struct config_grant *g)
{
    const struct passwd *user = g->user != NULL ? getpwnam(g->user) : NULL;
    const struct group *group = g->group != NULL ? getgrnam(g->group) : NULL;

    g->is_group = g->gid != NULL || g->group != NULL;
    if ((g->uid != NULL) + (g->user != NULL) + (g->gid != NULL) + (g->group != NULL) != 1) {
        return config_wrong(at, "", "needs exactly one of uid, user, gid, group");
    }
    if (g->user != NULL && user == NULL) {
        return config_wrong(at, "user", "no user '%s' on this machine", g->user);
    }
    if (g->group != NULL && group == NULL) {
        return config_wrong(at, "group", "no group '%s' on this machine", g->group);
    }
    if (g->uid != NULL && !read_id(g->uid, &g->id)) {
        return config_wrong(at, "uid", "'%s' is no number of a user", g->uid);
    }
    if (g->gid != NULL && !read_id(g->gid, &g->id)) {
        return config_wrong(at, "gid", "'%s' is no number of a group", g->gid);
    }
    g->id = user != NULL ? user->pw_uid : group != NULL ? group->gr_gid : g->id;
    return NULL;
}

struct err *config_check_grants(struct config_place *at)
{
    struct err *e = NULL;

    for (unsigned i = 0; e == NULL && i < at->config->grants_count; i++) {
        snprintf(at->path, sizeof at->path, "grants[%u]", i);
        e = check_who(at, &at->config->grants[i]);
        if (e == NULL) {
            e = check_scope(at, at->config->grants[i].scope);
        }
    }
    return e;
}
