/*
 * case_run: one case of a stage, run by the engine as a job of its own.
 *
 *	case ─► definition ─► job ─► results, failures, report ─► as wanted?
 *
 * What is loaded is judged by the same code that serves it later. The ledger is in memory.
 *
 * Thread: loop; each call turns the loop until it has its answer.
 */
#ifndef LEAT_CLI_CASE_RUN_H
#define LEAT_CLI_CASE_RUN_H

#include <uv.h>

#include "cli/case_file.h"
#include "engine/engine.h"
#include "plugin/registry.h"

struct case_rig {
	uv_loop_t *loop;
	struct engine *engine;
	const struct registry *registry;
	const struct stage *stage;
	const struct definition_rules *rules;
};

/* 0: as wanted. -1: `err` says what was different, or what went wrong. */
int case_run(const struct case_rig *rig, const struct stage_case *one, struct error *err);

#endif
