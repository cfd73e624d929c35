/*
 * Where things lie. The helpers stand beside holdfast-agent; the profiles in share/holdfast of the
 * same tree, so that a build folder, /usr and /usr/local all work without a compiled-in path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/parts.h"

static struct err *own_folder(char **ret)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0) {
        return err_sys(errno, "/proc/self/exe");
    }
    path[n] = '\0';
    char *slash = strrchr(path, '/');

    *slash = '\0';
    *ret = strdup(path);
    return *ret != NULL ? NULL : err_nomem();
}

static struct err *helper_path(const char *folder, const char *name, char **ret)
{
    *ret = text_fmt("%s/%s", folder, name);
    if (*ret == NULL) {
        return err_nomem();
    }
    if (access(*ret, X_OK) < 0) {
        return err_sys(errno, "helper program %s", *ret);
    }
    return NULL;
}

static struct err *find_profiles(const struct config *c, const char *folder, char ***ret)
{
    static const char *const places[] = {"../share/holdfast/firmware-profiles",
                                         "../../share/holdfast/firmware-profiles"};
    bool ok = true;

    for (size_t i = 0; i < ARRAY_LEN(places) && *ret == NULL; i++) {
        AUTO(auto_free) char *place = text_fmt("%s/%s", folder, places[i]);

        if (place != NULL && access(place, R_OK) == 0) {
            ok = text_list_add(ret, place);
        }
    }
    if (*ret == NULL) {
        return err_new(ERR_NOT_FOUND, "no firmware-profiles folder in share/holdfast beside %s",
                       folder);
    }
    if (access("/etc/holdfast/firmware-profiles", R_OK) == 0) {
        ok = ok && text_list_add(ret, "/etc/holdfast/firmware-profiles");
    }
    for (unsigned i = 0; ok && i < c->agent.profiles_count; i++) {
        ok = text_list_add(ret, c->agent.profiles[i]);
    }
    return ok ? NULL : err_nomem();
}

struct err *parts_paths_find(const struct config *c, const char *helpers, struct parts_paths *ret)
{
    AUTO(auto_free) char *folder = NULL;
    struct err *e = own_folder(&folder);
    const char *where = helpers != NULL ? helpers : folder;

    *ret = (struct parts_paths){0};
    if (e == NULL) {
        e = helper_path(where, "holdfast-token", &ret->token_helper);
    }
    if (e == NULL) {
        e = helper_path(where, "holdfast-vault", &ret->vault_helper);
    }
    if (e == NULL) {
        e = helper_path(where, "holdfast-connect", &ret->connect_helper);
    }
    if (e == NULL) {
        e = find_profiles(c, folder, &ret->profiles);
    }
    if (e != NULL) {
        parts_paths_deinit(ret);
    }
    return e;
}

void parts_paths_deinit(struct parts_paths *p)
{
    auto_free(&p->token_helper);
    auto_free(&p->vault_helper);
    auto_free(&p->connect_helper);
    text_list_free(&p->profiles);
}
