#ifndef HF_PKCS11_MODULE_URI_H
#define HF_PKCS11_MODULE_URI_H

#include "base/base.h"

/** The parts of a PKCS#11 URI that we use (Spec: RFC 7512). p11-kit parses. */
struct p11_uri;

/** What identifies a token: CK_TOKEN_INFO's fields without padding. NULL is an empty field. */
struct p11_token_id {
    const char *label, *manufacturer, *model, *serial;
};

/** p11_uri_parse() - INPUT with p11-kit's reason; pin-value is refused (a PIN in an URI ends up in
 * logs), pin-source is kept */
struct err *p11_uri_parse(const char *text, struct p11_uri **ret) MUST_CHECK;
void p11_uri_free(struct p11_uri **u);
/** p11_uri_matches_token() - every token attribute that the URI names is equal; slot-id is a
 * tie-break, checked when the URI has it */
bool p11_uri_matches_token(const struct p11_uri *u, const struct p11_token_id *t,
                           unsigned long slot_id);
/** p11_uri_matches_key() - object, id and type (private or public), where the URI has them */
bool p11_uri_matches_key(const struct p11_uri *u, const char *label, struct view id);
/** p11_uri_pin_source() - borrowed; NULL when absent */
const char *p11_uri_pin_source(const struct p11_uri *u);
/** p11_uri_object(), p11_uri_id() - borrowed; NULL / empty when absent */
const char *p11_uri_object(const struct p11_uri *u);
struct view p11_uri_id(const struct p11_uri *u);
/** p11_uri_text() - a URI that finds exactly this token, or this key on it (@label NULL and @id
 * empty: token only); caller owns */
char *p11_uri_text(const struct p11_token_id *t, const char *key_label, struct view key_id);

#endif
