#ifndef HF_ENROLL_ENROLL_H
#define HF_ENROLL_ENROLL_H

/* The public header of enroll/: X.509 certificates for keys on tokens, and a machine's first login. */
#include "enroll/csr.h"
#include "enroll/prove.h"

#endif
