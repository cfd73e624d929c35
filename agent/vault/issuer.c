/*
 * A certificate that one issuer of an SSH engine has to sign. A request cannot choose among them:
 * OpenBao 2.7.2 ignores an issuer_ref in the body of sign/ROLE, with a warning, for its roles name
 * their issuer. So who wants a certain one is told before a host is that it was another: the issuer's
 * public key is read from where Vault shows it to anybody, and compared.
 *
 * It must never pass a certificate because a key could not be had.
 */
#include "vault/issuer.h"

#include <stdlib.h>

#include "vault/memo.h"

static struct err *read_key(const char *line, struct vault_issuer *i)
{
    struct ssh_key *key = NULL;
    struct err *e = ssh_key_from_line(line, &key);

    if (e != NULL) {
        return err_recode(e, ERR_PROTOCOL);
    }
    ssh_key_free(&i->key);
    i->key = key;
    return NULL;
}

static struct err *fetch(const struct vault_api *api, struct vault_issuer *i)
{
    AUTO(buf_deinit) struct buf line;

    buf_init(&line, 0);
    struct err *e = vault_ca_key_get(api, i->mount, i->name, &line);

    if (e == NULL) {
        buf_put_u8(&line, 0);
        e = buf_check(&line, "an issuer's key");
    }
    if (e == NULL) {
        e = read_key((const char *)line.data, i);
    }
    if (e != NULL) {
        return err_add(e, "the public key of the issuer \"%s\"", i->name);
    }
    vault_memo_put(api->link->memo, VAULT_MEMO_ISSUER_KEY, i->mount, i->name,
                   (const char *)line.data, VAULT_ISSUER_MS);
    i->is_fresh = true;
    return NULL;
}

struct err *vault_issuer_find(const struct vault_api *api, const char *mount, const char *name,
                              struct vault_issuer *ret)
{
    AUTO(auto_free) char *known =
        vault_memo_get(api->link->memo, VAULT_MEMO_ISSUER_KEY, mount, name);

    *ret = (struct vault_issuer){.mount = mount, .name = name};
    return known != NULL ? read_key(known, ret) : fetch(api, ret);
}

struct err *vault_issuer_proves(struct vault_issuer *i, const struct vault_api *api,
                                const char *role, const char *cert_line)
{
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    char is[SSH_FINGERPRINT_BYTES], wanted[SSH_FINGERPRINT_BYTES];
    struct err *e = ssh_cert_from_line(cert_line, &cert);

    if (e != NULL) {
        return err_recode(e, ERR_PROTOCOL);
    }
    if (!ssh_key_eq(ssh_cert_ca(cert), i->key) && !i->is_fresh) {
        e = fetch(api, i);
    }
    if (e != NULL || ssh_key_eq(ssh_cert_ca(cert), i->key)) {
        return e;
    }
    return err_new(ERR_INPUT,
                   "the role \"%s\" signs with the CA %s, and not with the issuer \"%s\", which is "
                   "%s: set issuer_ref of the role to it, or take a role that has it",
                   role, ssh_key_fingerprint(ssh_cert_ca(cert), is), i->name,
                   ssh_key_fingerprint(i->key, wanted));
}

void vault_issuer_deinit(struct vault_issuer *i)
{
    ssh_key_free(&i->key);
}
