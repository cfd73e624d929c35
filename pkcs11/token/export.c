/*
 * Trying to get a private key out of its token, to show that it does not come.
 *
 * Both ways that Cryptoki knows: reading the secret attributes, and wrapping the key under one that
 * we can read. What a token hands out by mistake is wiped at once and never shown.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "pkcs11/token/priv.h"

/** One attempt at a time: what came of it, in words. */
struct trial {
    struct token *t;
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE key;
    struct buf lines;
    bool leaked;
};

static void say(struct trial *trial, const char *what, CK_RV rv)
{
    AUTO(auto_free) char *line =
        text_fmt("%s: %s (%s)\n", what,
                 rv == CKR_OK ? "HANDED OUT by the token" : "refused by the token", ckr_name(rv));

    trial->leaked = trial->leaked || rv == CKR_OK;
    buf_put(&trial->lines, line, line != NULL ? strlen(line) : 0);
}

static void say_plain(struct trial *trial, const char *text)
{
    buf_put(&trial->lines, text, strlen(text));
}

static void try_read(struct trial *trial, CK_ATTRIBUTE_TYPE type, const char *what)
{
    uint8_t value[4096];
    CK_ATTRIBUTE a = {type, value, sizeof value};
    CK_RV rv = trial->t->f->C_GetAttributeValue(trial->s, trial->key, &a, 1);

    if (rv == CKR_OK && (a.ulValueLen == CK_UNAVAILABLE_INFORMATION || a.ulValueLen == 0)) {
        rv = CKR_ATTRIBUTE_SENSITIVE;
    }
    OPENSSL_cleanse(value, sizeof value);
    say(trial, what, rv);
}

static CK_RV make_wrapping_key(const struct trial *trial, CK_OBJECT_HANDLE *ret)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_ULONG len = 32;
    CK_ATTRIBUTE templ[] = {
        {CKA_TOKEN, &no, sizeof no},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_VALUE_LEN, &len, sizeof len},
    };

    return trial->t->f->C_GenerateKey(trial->s, &mechanism, templ, ARRAY_LEN(templ), ret);
}

static void try_wrap(struct trial *trial)
{
    static const CK_MECHANISM_TYPE kinds[] = {CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP};
    const struct token *t = trial->t;
    CK_OBJECT_HANDLE wrapping = CK_INVALID_HANDLE;
    CK_MECHANISM mechanism = {NO_MECHANISM, NULL, 0};

    for (size_t i = 0; i < ARRAY_LEN(kinds) && mechanism.mechanism == NO_MECHANISM; i++) {
        if (mechanism_has(t, kinds[i])) {
            mechanism.mechanism = kinds[i];
        }
    }
    if (mechanism.mechanism == NO_MECHANISM || make_wrapping_key(trial, &wrapping) != CKR_OK) {
        say_plain(trial, "C_WrapKey: not tried, the token makes no AES keys to wrap with\n");
        return;
    }
    uint8_t wrapped[8192];
    CK_ULONG len = sizeof wrapped;
    CK_RV rv = t->f->C_WrapKey(trial->s, &mechanism, wrapping, trial->key, wrapped, &len);

    OPENSSL_cleanse(wrapped, sizeof wrapped);
    t->f->C_DestroyObject(trial->s, wrapping);
    say(trial, "C_WrapKey with an AES key", rv);
}

static struct err *try_all(struct trial *trial, unsigned worker, uint32_t number)
{
    struct signer signer;
    bool usable = false;

    if (!table_get(trial->t, number, &signer, &usable)) {
        return err_new(ERR_NOT_FOUND, "no key number %u", number);
    }
    struct err *e = session_worker(trial->t, worker, &trial->s);

    if (e != NULL) {
        return e;
    }
    trial->key = signer.handle;
    if (signer.type == SSH_KEY_RSA) {
        try_read(trial, CKA_PRIVATE_EXPONENT, "read CKA_PRIVATE_EXPONENT");
        try_read(trial, CKA_PRIME_1, "read CKA_PRIME_1");
    } else {
        try_read(trial, CKA_VALUE, "read CKA_VALUE");
    }
    try_wrap(trial);
    return buf_check(&trial->lines, "report");
}

struct err *token_try_export(struct token *t, unsigned worker, uint32_t number, char **ret_text)
{
    struct trial trial = {.t = t};

    buf_init(&trial.lines, 0);
    struct err *e = try_all(&trial, worker, number);
    char *text = e == NULL ? view_dup(buf_view(&trial.lines)) : NULL;

    buf_deinit(&trial.lines);
    if (e == NULL && text == NULL) {
        e = err_nomem();
    }
    if (e == NULL && trial.leaked) {
        e = err_new(ERR_DENIED, "the token hands out this private key: %s", text);
        free(take(&text));
    }
    if (e != NULL) {
        return err_add(e, "try to export a key of token '%s'", t->info.label);
    }
    *ret_text = text;
    return NULL;
}
