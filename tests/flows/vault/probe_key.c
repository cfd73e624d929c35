/*
 * The token that vault_probe plays: software keys that sign what holdfast-vault asks for.
 */
#include "probe_key.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/vault/soft_key.h"

enum { KEYS_MAX = 16 };

static struct {
    struct vault *vault;
    struct {
        char *name;
        EVP_PKEY *key;
    } keys[KEYS_MAX];
    size_t n;
    json_t *asked;
    char *refusal;
} token;

/* --- configuration ------------------------------------------------------------------------------ */

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "r");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    if (key == NULL) {
        fprintf(stderr, "vault_probe: no private key in %s\n", path);
        exit(2);
    }
    fclose(file);
    return key;
}

static void keep(const char *name, EVP_PKEY *key)
{
    size_t i = 0;

    while (i < token.n && strcmp(token.keys[i].name, name) != 0) {
        i++;
    }
    if (i == KEYS_MAX) {
        exit(2);
    }
    if (i == token.n) {
        token.keys[token.n++].name = text_copy(name);
    }
    EVP_PKEY_free(token.keys[i].key);
    token.keys[i].key = key;
}

static char *public_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;

    PEM_write_bio_PUBKEY(bio, key);
    char *text = view_dup(view_of(p, (size_t)BIO_get_mem_data(bio, &p)));

    BIO_free(bio);
    return text;
}

static char *read_text(const char *path)
{
    struct buf text;

    buf_init(&text, 0);
    AUTO(err_free) struct err *e = file_read(path, 200000, &text);

    if (e != NULL) {
        fprintf(stderr, "vault_probe: %s\n", err_text(e));
        exit(2);
    }
    buf_put_u8(&text, 0);
    return (char *)text.data; /* moved */
}

void probe_key_conf(const struct fields *f, struct vault_conf *conf, struct probe_key_texts *texts)
{
    const char *file = probe_find(f, "key_file"), *cert = probe_find(f, "cert_file");
    const char *name = probe_find(f, "client_key");

    conf->client_key = name != NULL ? name : "pkcs11:object=login";
    conf->client_problem = probe_find(f, "problem");
    if (file != NULL && conf->client_problem == NULL) {
        EVP_PKEY *key = read_key(file);

        conf->client_public_pem = texts->public_pem = public_of(key);
        keep(conf->client_key, key);
    }
    if (cert != NULL) {
        conf->client_cert_pem = texts->cert_pem = read_text(cert);
    }
}

void probe_key_texts_deinit(struct probe_key_texts *texts)
{
    free(texts->public_pem);
    free(texts->cert_pem);
}

/* --- questions ---------------------------------------------------------------------------------- */

static EVP_PKEY *find(const char *name)
{
    for (size_t i = 0; i < token.n; i++) {
        if (strcmp(token.keys[i].name, name) == 0) {
            return token.keys[i].key;
        }
    }
    return NULL;
}

static const char *kind_of(struct view message)
{
    bool is_13 = message.len > 97 && memcmp(message.p + 64, "TLS 1.3, client", 15) == 0;

    return is_13 ? "tls13" : message.len > 0 && message.p[0] == 1 ? "tls12" : "jwt";
}

static void on_question(void *arg, uint64_t number, const struct vault_question *q)
{
    AUTO(buf_deinit) struct buf sig;
    EVP_PKEY *key = find(q->key);
    struct err *e = NULL;

    (void)arg;
    buf_init(&sig, 0);
    json_array_append_new(token.asked,
                          json_pack("{s:s, s:s, s:s, s:s}", "server", q->server, "key", q->key,
                                    "scheme", scheme_name(q->scheme), "kind", kind_of(q->message)));
    if (token.refusal != NULL) {
        e = err_new(ERR_GONE, "%s", token.refusal);
    } else if (key == NULL || !soft_sign(key, q->scheme, q->message, &sig)) {
        e = err_new(ERR_UNSUPPORTED, "no key %s that signs %s", q->key, scheme_name(q->scheme));
    }
    vault_answer(token.vault, number, e, buf_view(&sig));
}

void probe_key_start(struct vault *v)
{
    token.vault = v;
    token.asked = json_array();
    vault_on_question(v, on_question, NULL);
}

void probe_key_stop(void)
{
    for (size_t i = 0; i < token.n; i++) {
        free(token.keys[i].name);
        EVP_PKEY_free(token.keys[i].key);
    }
    free(token.refusal);
    json_decref(token.asked);
}

bool probe_key(struct probe *p, const struct fields *f)
{
    const char *refusal = probe_find(f, "refuse");

    if (strcmp(f->name[0], "asked") == 0) {
        json_array_extend(p->results, token.asked);
        json_array_clear(token.asked);
        return true;
    }
    if (strcmp(f->name[0], "token") != 0) {
        return false;
    }
    free(token.refusal);
    token.refusal = refusal != NULL && refusal[0] != '\0' ? text_copy(refusal) : NULL;
    return true;
}
