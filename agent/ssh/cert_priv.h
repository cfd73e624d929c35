#ifndef HF_SSH_CERT_PRIV_H
#define HF_SSH_CERT_PRIV_H

/* Between the files of ssh/ only. */
#include "ssh/cert.h"

struct ssh_cert {
    struct view blob; /* owned; the views below point into it */
    struct view tbs;  /* what the CA signed */
    struct view signature;
    struct ssh_cert_fields fields;
    struct ssh_key *key, *ca;
};

/** ssh_option_cmp() - the order of option names: as bytes */
int ssh_option_cmp(struct view a, struct view b);

#endif
