#ifndef HF_IO_IO_H
#define HF_IO_IO_H

/* The public header of io/: libevent glue for the agent. */
#include "io/command.h"
#include "io/conn.h"
#include "io/helper.h"
#include "io/listen.h"
#include "io/loop.h"
#include "io/step.h"
#include "io/worker.h"
#include "io/writer.h"

#endif
