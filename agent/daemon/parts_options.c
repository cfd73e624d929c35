/*
 * Critical options and extensions as people write them, in holdfast.yaml and in the registry. What is
 * said of extensions counts to the letter; where nothing is said, a user's certificate is to let its
 * owner have a terminal and no more, because what a role gives by itself was often copied from somewhere.
 */
#include "daemon/parts.h"

struct err *parts_options(char **from, unsigned n, struct ssh_cert_option **ret)
{
    struct err *e = NULL;

    for (unsigned i = 0; e == NULL && i < n; i++) {
        size_t name = strcspn(from[i], "=");

        e = ssh_cert_options_add(ret, view_of(from[i], name),
                                 view_cstr(from[i][name] == '=' ? from[i] + name + 1 : ""));
    }
    return e;
}

struct err *parts_extensions(char **from, unsigned n, enum ssh_cert_kind kind,
                             struct ssh_cert_option **ret, bool *ret_role_may_choose)
{
    static const struct ssh_cert_option none[] = {{NULL, NULL}};
    static const struct ssh_cert_option least[] = {{(char *)SIGNER_LEAST_EXTENSION, (char *)""},
                                                   {NULL, NULL}};

    *ret_role_may_choose = from == NULL && kind == SSH_CERT_USER;
    if (from == NULL || (n == 1 && text_eq(from[0], "role"))) {
        return ssh_cert_options_copy(*ret_role_may_choose ? least : NULL, ret);
    }
    return n > 0 ? parts_options(from, n, ret) : ssh_cert_options_copy(none, ret);
}
