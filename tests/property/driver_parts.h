/*
 * driver_parts: what the driver's own files share.
 */
#ifndef LEAT_TEST_DRIVER_PARTS_H
#define LEAT_TEST_DRIVER_PARTS_H

#include <stdlib.h>
#include <string.h>

#include "driver.h"

/* Is this error one that may happen here? */
bool driver_forgives(const struct driver *driver, const struct error *why);
/* Was it cancelled, or has it failed? */
bool driver_job_is_ending(const struct driver *driver);

void sender_init(struct sender *sender, struct driver *driver, unsigned first, unsigned upto);
bool sender_step(struct sender *sender, struct job *job);
/* Let go of its upload, whatever it was doing. */
void sender_drop(struct sender *sender);

/* What was read against the model (check.c). */
void check_outcome(struct driver *driver, struct job *job);
/* What must hold at any moment. */
void check_look(struct driver *driver, struct job *job);

#endif
