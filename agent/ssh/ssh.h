#ifndef HF_SSH_SSH_H
#define HF_SSH_SSH_H

/* The public header of ssh/: keys, signatures, certificates and signed payloads. Pure, no I/O. */
#include "ssh/cert.h"
#include "ssh/key.h"
#include "ssh/payload.h"
#include "ssh/sig.h"

#endif
