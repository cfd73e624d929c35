#ifndef HF_DAEMON_CONFIG_SCHEMA_H
#define HF_DAEMON_CONFIG_SCHEMA_H

#include "base/yaml.h"

/** The grammar of holdfast.yaml, for yaml_load(). */
extern const cyaml_schema_value_t config_schema;

#endif
