#ifndef HF_BASE_BASE_H
#define HF_BASE_BASE_H

/* The public header of base/: what every other folder stands on. */
#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scheme.h"
#include "base/secret.h"
#include "base/text.h"

#endif
