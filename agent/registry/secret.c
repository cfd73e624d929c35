/*
 * Secrets never enter the registry: it is listed, exported, backed up and, in a fleet, copied. It holds
 * where a secret is, and the machine reads it there. What looks like a value instead gets a refusal
 * that says the right way and repeats nothing.
 */
#include "registry/secret.h"

struct err *registry_secret_denied(void)
{
    return err_new(ERR_DENIED,
                   "secrets do not enter the registry: name the place that holds it instead "
                   "(token_file, token_environment, role_id_file, secret_id_file, jwt_file, "
                   "password_file; with token_wrapped or secret_id_wrapped what is there is a "
                   "token to be unwrapped once; for a PIN \"pin\": {file | environment | "
                   "credential | command | askpass})");
}

/* "hvs.CAES...", "hvb.", "hvr.", and "s." with 24 letters and digits as older servers make them. */
static bool is_vault_token(const char *text)
{
    static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    bool modern = strlen(text) > 20 && text[0] == 'h' && text[1] == 'v' &&
                  strchr("sbr", text[2]) != NULL && text[3] == '.';

    return modern || (strlen(text) == 26 && text[0] == 's' && text[1] == '.' &&
                      strspn(text + 2, alnum) == 24);
}

/* Three parts of base64url, the first an object. Spec: RFC 7519, 3 */
static bool is_jwt(const char *text)
{
    static const char base64url[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t first = strspn(text, base64url);
    size_t second = text[first] == '.' ? strspn(text + first + 1, base64url) : 0;

    return strncmp(text, "eyJ", 3) == 0 && second > 0 && text[first + 1 + second] == '.';
}

struct err *registry_secret_text(const char *text)
{
    if (strstr(text, "PRIVATE KEY-----") != NULL) {
        return err_new(ERR_DENIED, "holds a private key: keys stay on a token, and \"key\" is the "
                                   "PKCS#11 URI of one");
    }
    return is_vault_token(text) || is_jwt(text) ? registry_secret_denied() : NULL;
}

bool registry_secret_member(const char *name)
{
    static const char *const words[] = {
        "password", "passphrase", "passwd",        "secret",        "secret_id",
        "token",    "pin",        "pin_value",     "private_key",   "wrapping_token",
        "so_pin",   "user_pin",   "wrapped_token", "client_secret", "role_id",
        "api_key",  "jwt",        "root_token",    "vault_token",   "credential"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(words[i], name) == 0) {
            return true;
        }
    }
    return false;
}
