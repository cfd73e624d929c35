#ifndef CONTROL_FAKE_WORLD_H
#define CONTROL_FAKE_WORLD_H

/* Part of fake_parts.h: a small world for the parts to hold. */
#include "control/samples.h"

static inline struct ssh_key *fake_public(const char *line)
{
    struct ssh_key *key = NULL;
    AUTO(err_free) struct err *e = ssh_key_from_line(line, &key);

    assert_null(e);
    return key;
}

static inline struct ssh_cert *fake_cert(const char *line)
{
    struct ssh_cert *cert = NULL;
    AUTO(err_free) struct err *e = ssh_cert_from_line(line, &cert);

    assert_null(e);
    return cert;
}

static const struct signer fake_signers[] = {{.name = "corp", .kind = "vault"},
                                             {.name = "local", .kind = "ca"}};

static inline struct remote_key *fake_add_key(const char *line, const char *label, const char *uri)
{
    struct remote_key *k = &fake.key[fake.keys++];

    k->public = fake_public(line);
    k->usable = true;
    k->info = (struct remote_key_info){
        .label = label,
        .id = view_of("\x0a\xff", 2),
        .uri = uri,
        .token = "demo",
        .token_serial = "0123",
        .sensitive = true,
        .always_sensitive = true,
        .never_extractable = true,
        .local = true,
        .proven = true,
    };
    return k;
}

/** fake_world() - a token "demo" with a key "web", used by identity "web" with one certificate */
static inline void fake_world(void)
{
    static char *principals[] = {"deploy", NULL};
    struct remote_token *t = &fake.token[fake.tokens++];
    struct identity *i = &fake.identity[fake.identities++];

    *t = (struct remote_token){
        .name = "demo",
        .module = "soft",
        .module_path = "/lib/soft.so",
        .uri = "pkcs11:token=demo",
        .state = REMOTE_TOKEN_READY,
        .id = {.label = "Demo", .manufacturer = "M", .model = "X", .serial = "0123"},
        .slot_id = 7,
        .flags = 0x404,
        .hardware_major = 2,
        .hardware_minor = 6,
        .workers = 2,
    };
    i->name = "web";
    i->key = fake_add_key(line_web, "web", "pkcs11:token=demo;object=web");
    i->public = ssh_key_copy(i->key->public);
    i->certs = 1;
    i->cert[0] = (struct identity_cert){
        .owner = i,
        .want = {.signer = &fake_signers[0],
                 .request = {.kind = SSH_CERT_USER,
                             .mount = "ssh",
                             .role = "deploy",
                             .principals = principals}},
        .state = IDENTITY_CERT_ACTIVE,
        .current = fake_cert(line_cert),
        .received = {1800000000},
    };
}

#endif
