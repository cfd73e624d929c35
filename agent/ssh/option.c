/*
 * Lists of critical options and extensions, as certificates hold them, signers are asked for them
 * and the configuration names them.
 */
#include "ssh/option.h"

#include <stdlib.h>

size_t ssh_cert_options_len(const struct ssh_cert_option *list)
{
    size_t n = 0;

    while (list != NULL && list[n].name != NULL) {
        n++;
    }
    return n;
}

struct err *ssh_cert_options_add(struct ssh_cert_option **list, struct view name, struct view value)
{
    size_t n = ssh_cert_options_len(*list);
    AUTO(auto_free) char *name_copy = view_dup(name);
    AUTO(auto_free) char *value_copy = view_dup(value);
    struct ssh_cert_option *grown = reallocarray(*list, n + 2, sizeof *grown);

    if (grown == NULL) {
        return err_nomem();
    }
    *list = grown;
    grown[n] = grown[n + 1] = (struct ssh_cert_option){0};
    if (name_copy == NULL || value_copy == NULL) {
        return err_nomem();
    }
    grown[n] = (struct ssh_cert_option){take(&name_copy), take(&value_copy)};
    return NULL;
}

struct err *ssh_cert_options_copy(const struct ssh_cert_option *list, struct ssh_cert_option **ret)
{
    AUTO(ssh_cert_options_free) struct ssh_cert_option *copy = NULL;
    struct err *e = NULL;

    if (list != NULL && (copy = calloc(1, sizeof *copy)) == NULL) { /* an empty list is a list */
        return err_nomem();
    }
    for (size_t i = 0; e == NULL && list != NULL && list[i].name != NULL; i++) {
        e = ssh_cert_options_add(&copy, view_cstr(list[i].name), view_cstr(list[i].value));
    }
    if (e == NULL) {
        *ret = take(&copy);
    }
    return e;
}

void ssh_cert_options_free(struct ssh_cert_option **list)
{
    struct ssh_cert_option *options = take(list);

    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        free(options[i].name);
        free(options[i].value);
    }
    free(options);
}

const struct ssh_cert_option *ssh_cert_options_find(const struct ssh_cert_option *list,
                                                    const char *name)
{
    for (; list != NULL && list->name != NULL; list++) {
        if (text_eq(list->name, name)) {
            return list;
        }
    }
    return NULL;
}
