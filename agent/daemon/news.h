#ifndef HF_DAEMON_NEWS_H
#define HF_DAEMON_NEWS_H

#include "identity/identity.h"
#include "pkcs11/remote/remote.h"

/** What has been said in the log: a line when something changes, none while it stays. */
struct news;

/** news_new() - nothing has been said yet; NULL when out of memory */
struct news *news_new(void);
void news_free(struct news **n);
/** news_tokens() - modules and tokens: state, and the error that goes with it */
void news_tokens(struct news *n, const struct remote *r);
/** news_identities() - certificates that came, failed, expired; problems of identities */
void news_identities(struct news *n, const struct identity_set *s);

#endif
